use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};

use crate::rng::Rng;
use crate::store::Store;

/// Over a wire a plain run has a third of the rounds.
const SHARE: usize = 3;

/// The rounds asked for, or so many.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a trial lasts is no setting of AuthMe"
)]
pub(crate) fn rounds(store: Store, unless_asked_for: usize) -> usize {
    let asked_for = std::env::var("AUTHME_TRIAL_ROUNDS").ok();
    let plain = match store {
        Store::Sqlite => unless_asked_for,
        Store::Mongodb => unless_asked_for.div_ceil(SHARE),
    };
    asked_for.map_or(plain, |rounds| rounds.parse().expect("a number of rounds"))
}

/// The seed asked for, or another each time.
#[expect(clippy::disallowed_methods, reason = "a failure is looked for again under its seed")]
pub(crate) fn seed() -> u64 {
    let asked_for = std::env::var("AUTHME_TRIAL_SEED").ok();
    asked_for.map_or_else(
        || RandomState::new().hash_one("trial"),
        |seed| seed.parse().expect("a seed"),
    )
}

/// What came of the trials so far.
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

    /// Those of the next trial.
    pub(crate) fn rng(&self) -> Rng {
        let number = u64::try_from(self.trials).unwrap();
        Rng(self.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn add(&mut self, outcome: Result<(), String>) {
        if let Err(failure) = outcome {
            self.failures.push(format!("trial {}: {failure}", self.trials));
        }
        self.trials += 1;
    }

    /// Prints the metrics; fails when there was a failure.
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

/// A trial's condition.
pub(crate) fn hold<T: Display>(condition: bool, broken: impl FnOnce() -> T) -> Result<(), String> {
    if condition { Ok(()) } else { Err(broken().to_string()) }
}
