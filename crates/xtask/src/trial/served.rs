//! Trials of `authme serve` as a process: they are tests of `authme`.

use super::figures::Figures;
use crate::checkout::command;

/// Runs the tests that are named so and reads their figures.
pub(super) fn run(name: &str, rounds: usize) -> anyhow::Result<Vec<Figures>> {
    let test = match name {
        "strangers" => "strangers_trial::",
        name => &format!("{name}_"),
    };
    let mut cargo = command("cargo");
    cargo.args(["test", "--quiet", "--locked", "--package", "authme", "--test", "it"]);
    cargo.args(["--", "--nocapture", "--test-threads=1", test]);
    cargo.env("AUTHME_TRIAL_ROUNDS", rounds.to_string());
    cargo.env("RUST_BACKTRACE", "0");
    Figures::of_run(cargo, |line| println!("{line}"))
}
