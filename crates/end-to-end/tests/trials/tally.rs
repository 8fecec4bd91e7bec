use libtest_mimic::Failed;

use crate::Outcome;

/// The rounds asked for, or so many.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a trial lasts is no setting of AuthMe"
)]
pub(crate) fn rounds(unless_asked_for: usize) -> usize {
    let asked_for = std::env::var("AUTHME_TRIAL_ROUNDS").ok();
    asked_for.map_or(unless_asked_for, |rounds| rounds.parse().expect("a number of rounds"))
}

/// What came of the trials so far.
pub(crate) struct Tally {
    name: String,
    trials: usize,
    failures: Vec<String>,
}

impl Tally {
    pub(crate) fn of(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            trials: 0,
            failures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, outcome: Result<(), String>) {
        if let Err(failure) = outcome {
            eprintln!("{}, trial {}: {failure}", self.name, self.trials);
            self.failures.push(failure);
        }
        self.trials += 1;
    }

    pub(crate) const fn trials(&self) -> usize {
        self.trials
    }
}

/// Prints the figures; fails when there was a failure, or no trial at all.
pub(crate) fn end(tallies: Vec<Tally>) -> Outcome {
    let mut failed = Vec::new();
    for Tally { name, trials, failures } in tallies {
        println!("trial {name}: {trials} trials, {} failures", failures.len());
        if let Some(first) = failures.first() {
            failed.push(format!("{name}: {first}"));
        } else if trials == 0 {
            failed.push(format!("{name}: nothing was tried"));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failed::from(failed.join("\n")))
    }
}

/// A trial's condition.
pub(crate) fn hold(condition: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(broken()) }
}
