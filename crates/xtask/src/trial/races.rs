//! Trials that are tests of `use-cases`, at length.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, ensure};

use super::figures::Figures;
use crate::checkout::command;

/// Runs the tests of the module `trials::<name>…`, one after another, and reads their figures.
pub(super) fn run(name: &str, rounds: usize, seed: Option<u64>) -> anyhow::Result<Vec<Figures>> {
    let mut cargo = command("cargo");
    cargo.args(["test", "--quiet", "--locked", "--package", "use-cases", "--test", "it"]);
    cargo.args(["--", "--nocapture", "--test-threads=1", &format!("trials::{name}_")]);
    cargo.env("AUTHME_TRIAL_ROUNDS", rounds.to_string());
    cargo.env("RUST_BACKTRACE", "0");
    if let Some(seed) = seed {
        cargo.env("AUTHME_TRIAL_SEED", seed.to_string());
    }
    let mut run = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = run.stdout.take().context("cargo has no output")?;
    let mut figures = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read the output of cargo")?;
        figures.extend(Figures::parse(&line));
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
