use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};

use fastrand::Rng;

use crate::store::Store;

/// The divisor of the default rounds on MongoDB, because each call there is a round trip.
const SHARE: usize = 3;

/// Returns the number of rounds of `AUTHME_TRIAL_ROUNDS`, or the default.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a trial lasts is not a setting of AuthMe"
)]
pub(crate) fn rounds(store: Store, default: usize) -> usize {
    let requested = std::env::var("AUTHME_TRIAL_ROUNDS").ok();
    let plain = match store {
        Store::Sqlite => default,
        Store::Mongodb => default.div_ceil(SHARE),
    };
    requested.map_or(plain, |rounds| rounds.parse().expect("a number of rounds"))
}

/// Returns the seed of `AUTHME_TRIAL_SEED`, or a random one.
#[expect(
    clippy::disallowed_methods,
    reason = "the seed of a trial is not a setting of AuthMe"
)]
pub(crate) fn seed() -> u64 {
    let requested = std::env::var("AUTHME_TRIAL_SEED").ok();
    requested.map_or_else(
        || RandomState::new().hash_one("trial"),
        |seed| seed.parse().expect("a seed"),
    )
}

/// The results of the trials so far.
pub(crate) struct Summary {
    name: String,
    seed: u64,
    trials: usize,
    failures: Vec<String>,
}

impl Summary {
    pub(crate) fn of(name: &str, store: Store) -> Self {
        Self {
            name: format!("{name} ({store})"),
            seed: seed(),
            trials: 0,
            failures: Vec::new(),
        }
    }

    /// Returns the generator of the next trial, which its number and the seed determine.
    pub(crate) fn rng(&self) -> Rng {
        let number = u64::try_from(self.trials).unwrap();
        Rng::with_seed(self.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn add(&mut self, outcome: Result<(), String>) {
        if let Err(error) = outcome {
            self.failures.push(format!("trial {}: {error}", self.trials));
        }
        self.trials += 1;
    }

    /// Prints the results, and panics if a trial failed.
    #[track_caller]
    pub(crate) fn end(self) {
        let Self {
            name,
            seed,
            trials,
            failures,
        } = self;
        println!("trial {name}: {trials} trials, {} failures", failures.len());
        let first: Vec<_> = failures.iter().take(5).collect();
        assert!(first.is_empty(), "{name}, AUTHME_TRIAL_SEED={seed}: {first:#?}");
    }
}

/// Returns an error with the message unless the condition holds.
pub(crate) fn ensure<T: Display>(condition: bool, message: impl FnOnce() -> T) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message().to_string()) }
}
