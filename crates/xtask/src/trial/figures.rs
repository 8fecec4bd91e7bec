use std::fmt;

/// What came of a trial.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) name: String,
    pub(super) trials: u32,
    pub(super) failures: u32,
}

impl Figures {
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
