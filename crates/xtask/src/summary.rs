use std::fmt;
use std::ops::AddAssign;

/// The number of tests that passed, failed and were skipped, over any number of test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Summary {
    /// Adds the counts of a line of `cargo test` that sums up a test binary; ignores every other line. libtest and
    /// libtest-mimic print this line in the same form.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some((_verdict, counts)) = line
            .trim()
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, outcome)) = count.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else { continue };
            match outcome {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(output: &str) -> Summary {
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.add_line(line));
        summary
    }

    #[test]
    fn counts_of_all_test_binaries_are_added() {
        let summary = summary_of(
            "running 5 tests\n\
             test hex::tests::an_id_is_24_digits ... ok\n\
             test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.01s\n\
             test result: FAILED. 40 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.50s\n",
        );
        assert_eq!(summary.to_string(), "43 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn other_lines_are_ignored() {
        let summary = summary_of("test result is awaited\n2 passed; 1 failed\ntest result: ok\n");
        assert_eq!(summary, Summary::default());
    }
}
