//! Races and losses, many times over. `cargo xtask trial` runs them at length.
//!
//! Each prints one line, `trial <name>: <n> trials, <m> failures`.

mod c1_parallel_renewals;
mod c2_replays;
mod c3_lost_answers;
mod c4_lock_against_mint;
mod v_one_winner;

use std::fmt::Display;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use tokio::sync::Barrier;

use crate::meddling::on_a_thread;

/// The rounds asked for, or so many.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a trial lasts is no setting of AuthMe"
)]
fn rounds(unless_asked_for: usize) -> usize {
    let asked_for = std::env::var("AUTHME_TRIAL_ROUNDS").ok();
    asked_for.map_or(unless_asked_for, |rounds| rounds.parse().expect("a number of rounds"))
}

/// The seed asked for, or another each time.
#[expect(clippy::disallowed_methods, reason = "a failure is looked for again under its seed")]
fn seed() -> u64 {
    let asked_for = std::env::var("AUTHME_TRIAL_SEED").ok();
    asked_for.map_or_else(
        || RandomState::new().hash_one("trial"),
        |seed| seed.parse().expect("a seed"),
    )
}

/// What came of the trials so far.
struct Trials {
    name: &'static str,
    seed: u64,
    number: usize,
    failures: Vec<String>,
}

impl Trials {
    fn of(name: &'static str) -> Self {
        Self {
            name,
            seed: seed(),
            number: 0,
            failures: Vec::new(),
        }
    }

    fn add(&mut self, outcome: Result<(), String>) {
        if let Err(failure) = outcome {
            self.failures.push(format!("trial {}: {failure}", self.number));
        }
        self.number += 1;
    }

    /// Prints the figures; fails when there was a failure.
    #[track_caller]
    fn end(self) {
        let Self {
            name,
            seed,
            number,
            failures,
        } = self;
        println!("trial {name}: {number} trials, {} failures", failures.len());
        let first: Vec<_> = failures.iter().take(5).collect();
        assert!(first.is_empty(), "{name}, AUTHME_TRIAL_SEED={seed}: {first:#?}");
    }
}

/// A trial's condition.
fn hold<T: Display>(condition: bool, broken: impl FnOnce() -> T) -> Result<(), String> {
    if condition { Ok(()) } else { Err(broken().to_string()) }
}

/// What `call` answers to each of `callers` that begin together, in the order of their numbers.
async fn at_once<C, F>(callers: usize, call: C) -> Vec<F::Output>
where
    C: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output: Send + 'static>,
{
    let barrier = Arc::new(Barrier::new(callers));
    let task = |caller| {
        let (barrier, call) = (barrier.clone(), call.clone());
        on_a_thread(move || async move {
            barrier.wait().await;
            call(caller).await
        })
    };
    let tasks: Vec<_> = (0..callers).map(task).collect();
    let mut answers = Vec::with_capacity(callers);
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Numbers that a seed fixes (`SplitMix64`).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    /// Those of one trial among others.
    fn of(trials: &Trials) -> Self {
        let number = u64::try_from(trials.number).unwrap();
        Self(trials.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..sides`.
    fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(sides).unwrap()).unwrap()
    }
}

/// Lets others go first, so many times.
async fn give_way(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}
