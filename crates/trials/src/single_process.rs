//! Trials of `authme serve` as a process, which are tests of the crate `authme`.

use test_servers::checkout::command;

use crate::result::TrialResult;

/// Runs the tests of a trial and returns the results that they print.
pub(crate) fn run(name: &str, rounds: usize) -> anyhow::Result<Vec<TrialResult>> {
    let test = match name {
        "strangers" => "strangers_trial::",
        name => &format!("{name}_"),
    };
    let mut cargo = command("cargo");
    cargo.args(["test", "--quiet", "--locked", "--package", "authme", "--test", "it"]);
    cargo.args(["--", "--nocapture", "--test-threads=1", test]);
    cargo.env("AUTHME_TRIAL_ROUNDS", rounds.to_string());
    cargo.env("RUST_BACKTRACE", "0");
    TrialResult::from_run(cargo, |line| println!("{line}"))
}
