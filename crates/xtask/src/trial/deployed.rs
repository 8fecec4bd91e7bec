//! Trials of the services as they are deployed, on real servers: they are tests of `end-to-end`.

use super::figures::Figures;
use crate::checkout::{command, must_succeed};
use crate::servers;

/// Builds what they start, brings the servers up unless they are given, runs the trials `<name>_…` and reads their
/// figures. They can stop the broker only when the servers come from the package registries.
pub(super) fn run(name: &str, rounds: usize) -> anyhow::Result<Vec<Figures>> {
    let servers = servers::ensure_up()?;
    let mut build = command("cargo");
    build.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
    build.args(["--features", "authme/mongodb"]);
    must_succeed(build, "the services cannot be built")?;
    let mut cargo = command("cargo");
    cargo.args(["test", "--quiet", "--locked", "--package", "end-to-end"]);
    cargo.args(["--test", "trials", "--", &format!("{name}_")]);
    cargo.envs(servers.variables());
    cargo.env("AUTHME_TRIAL_ROUNDS", rounds.to_string());
    cargo.env("RUST_BACKTRACE", "0");
    Figures::of_run(cargo, |line| println!("{line}"))
}
