use libtest_mimic::Failed;

use crate::Outcome;

/// Returns the number of rounds that the environment sets, or the default.
#[expect(
    clippy::disallowed_methods,
    reason = "the length of a trial is not an AuthMe setting"
)]
pub(crate) fn rounds(default: usize) -> usize {
    let requested = std::env::var("AUTHME_TRIAL_ROUNDS").ok();
    requested.map_or(default, |rounds| rounds.parse().expect("a number of rounds"))
}

/// The results of a trial so far.
pub(crate) struct Summary {
    name: String,
    trials: usize,
    failures: Vec<String>,
}

impl Summary {
    pub(crate) fn new(name: impl Into<String>) -> Self {
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

/// Prints the results. Fails when there was a failure, or no repetition at all.
pub(crate) fn finish(summaries: Vec<Summary>) -> Outcome {
    let mut errors = Vec::new();
    for Summary { name, trials, failures } in summaries {
        println!("trial {name}: {trials} trials, {} failures", failures.len());
        if let Some(first) = failures.first() {
            errors.push(format!("{name}: {first}"));
        } else if trials == 0 {
            errors.push(format!("{name}: there was no repetition"));
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failed::from(errors.join("\n")))
    }
}

/// Returns an error unless the condition holds.
pub(crate) fn check(condition: bool, error: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(error()) }
}
