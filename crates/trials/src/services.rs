//! Trials of the three services on real servers, which are tests of the crate `end-to-end`.

use test_servers::checkout::{command, must_succeed};

use crate::result::TrialResult;

/// Builds the services, starts the servers unless the environment names them, runs the trials `<name>_…` and returns
/// their results. A trial can stop the broker only if the servers come from the package registries.
pub(crate) fn run(name: &str, rounds: usize) -> anyhow::Result<Vec<TrialResult>> {
    let servers = test_servers::ensure_up()?;
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
    TrialResult::from_run(cargo, |line| println!("{line}"))
}
