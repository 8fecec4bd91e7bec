use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// What came of a trial.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) name: String,
    pub(super) trials: u32,
    pub(super) failures: u32,
}

impl Figures {
    /// Runs the tests that `cargo` is told to run, reads the figures they print, and passes on what else they say.
    pub(super) fn of_run(mut cargo: Command, pass_on: fn(&str)) -> anyhow::Result<Vec<Self>> {
        let mut run = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
        let output = run.stdout.take().context("cargo has no output")?;
        let mut figures = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line.context("cannot read the output of cargo")?;
            match Self::parse(&line) {
                Some(parsed) => figures.push(parsed),
                None => pass_on(&line),
            }
        }
        let status = run.wait().context("cannot wait for cargo")?;
        ensure!(
            !figures.is_empty(),
            "no trial ran, or its figures were not understood ({status})"
        );
        let failed = figures.iter().any(|figures| figures.failures > 0);
        ensure!(status.success() || failed, "the trial came to no end ({status})");
        Ok(figures)
    }

    /// What a test says: `trial <name>: <n> trials, <m> failures`, wherever it stands in the line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, said) = line.split_once("trial ")?;
        let (name, counts) = said.split_once(": ")?;
        let (trials, failures) = counts.split_once(" trials, ")?;
        Some(Self {
            name: name.to_owned(),
            trials: trials.parse().ok()?,
            failures: failures.trim_end().strip_suffix(" failures")?.parse().ok()?,
        })
    }
}

impl fmt::Display for Figures {
    /// Without a failure in N trials, fewer than 3/N fail with a certainty of 95 % (the rule of three).
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
    fn figures_are_read_wherever_they_stand() {
        let figures = Figures::parse("test trials::c1::a ... trial c1 grace: 20 trials, 1 failures").unwrap();
        assert_eq!(figures.to_string(), "c1 grace: 20 trials, 1 failures");
        assert_eq!(Figures::parse("test trials::c1::a ... ok"), None);
        assert_eq!(Figures::parse("test result: ok. 3 passed; 0 failed"), None);
    }

    #[test]
    fn no_failure_is_a_bound() {
        let figures = Figures::parse("trial v: 1000 trials, 0 failures").unwrap();
        assert_eq!(figures.to_string(), "v: 1000 trials, 0 failures, below 0.300 % at 95 %");
    }
}
