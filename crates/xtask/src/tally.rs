use std::fmt;

/// How many tests there were, over any number of test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Adds what a line of `cargo test` says, if it sums a binary up. libtest and libtest-mimic word it alike.
    pub(crate) fn add(&mut self, line: &str) {
        let Some((_verdict, counts)) = line
            .trim()
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
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

    fn tally_of(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.add(line));
        tally
    }

    #[test]
    fn the_sums_of_all_binaries_are_added() {
        let tally = tally_of(
            "running 5 tests\n\
             test hex::tests::an_id_is_24_digits ... ok\n\
             test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.01s\n\
             test result: FAILED. 40 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.50s\n",
        );
        assert_eq!(tally.to_string(), "43 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn other_lines_count_nothing() {
        let tally = tally_of("test result is awaited\n2 passed; 1 failed\ntest result: ok\n");
        assert_eq!(tally, Tally::default());
    }
}
