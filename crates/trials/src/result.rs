use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// The number of repetitions of a trial, and the number of repetitions that broke the promise.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TrialResult {
    pub(crate) name: String,
    pub(crate) trials: u32,
    pub(crate) failures: u32,
}

impl TrialResult {
    /// Runs a `cargo test` and reads the results that its tests print. Calls `handle_other` with every other line.
    pub(crate) fn from_run(mut cargo: Command, handle_other: fn(&str)) -> anyhow::Result<Vec<Self>> {
        let mut run = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
        let output = run.stdout.take().context("cargo has no output")?;
        let mut results = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line.context("cannot read the output of cargo")?;
            match Self::parse(&line) {
                Some(result) => results.push(result),
                None => handle_other(&line),
            }
        }
        let status = run.wait().context("cannot wait for cargo")?;
        ensure!(
            !results.is_empty(),
            "no trial ran, or its result could not be parsed ({status})"
        );
        let has_failures = results.iter().any(|result| result.failures > 0);
        ensure!(
            status.success() || has_failures,
            "the trial ended before its result was complete ({status})"
        );
        Ok(results)
    }

    /// Parses `trial <name>: <n> trials, <m> failures` anywhere in a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, result) = line.split_once("trial ")?;
        let (name, counts) = result.split_once(": ")?;
        let (trials, failures) = counts.split_once(" trials, ")?;
        Some(Self {
            name: name.to_owned(),
            trials: trials.parse().ok()?,
            failures: failures.trim_end().strip_suffix(" failures")?.parse().ok()?,
        })
    }
}

impl fmt::Display for TrialResult {
    /// Adds an upper bound on the failure rate when there was no failure. By the rule of three, N trials without a
    /// failure bound it by 3/N at a confidence of 95 %.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, trials, failures } = self;
        write!(f, "{name}: {trials} trials, {failures} failures")?;
        if *failures == 0 && *trials > 0 {
            write!(f, ", below {:.3} % at 95 %", 300.0 / f64::from(*trials))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reads_a_result_anywhere_in_a_line() {
        let result = TrialResult::parse("test trials::c1::a ... trial c1 grace: 20 trials, 1 failures").unwrap();
        assert_eq!(result.to_string(), "c1 grace: 20 trials, 1 failures");
        assert_eq!(TrialResult::parse("test trials::c1::a ... ok"), None);
        assert_eq!(TrialResult::parse("test result: ok. 3 passed; 0 failed"), None);
    }

    #[test]
    fn result_without_failures_shows_an_upper_bound() {
        let result = TrialResult::parse("trial v: 1000 trials, 0 failures").unwrap();
        assert_eq!(result.to_string(), "v: 1000 trials, 0 failures, below 0.300 % at 95 %");
    }
}
