//! Trials that are tests of `use-cases`, at length.

use std::env;

use super::Store;
use super::figures::Figures;
use crate::checkout::command;
use crate::servers;

/// By which the tests find a server that speaks MongoDB's protocol.
const MONGODB: &str = "AUTHME_TEST_MONGODB_URI";

/// Runs the tests `<store>::<name>_…`, one after another, and reads their figures.
pub(super) fn run(name: &str, store: Store, rounds: usize, seed: Option<u64>) -> anyhow::Result<Vec<Figures>> {
    let mut cargo = command("cargo");
    cargo.args([
        "test",
        "--quiet",
        "--locked",
        "--package",
        "use-cases",
        "--test",
        "trials",
    ]);
    cargo.args(["--", "--test-threads=1", &format!("{}::{name}_", store.text())]);
    cargo.env("AUTHME_TRIAL_ROUNDS", rounds.to_string());
    cargo.env("RUST_BACKTRACE", "0");
    if let Some(seed) = seed {
        cargo.env("AUTHME_TRIAL_SEED", seed.to_string());
    }
    if store == Store::Mongodb {
        cargo.env(MONGODB, server()?);
    }
    Figures::of_run(cargo, |_| {})
}

/// The server that is given, else one that is brought up.
#[expect(clippy::disallowed_methods, reason = "the server of a trial is no setting of AuthMe")]
fn server() -> anyhow::Result<String> {
    match env::var(MONGODB) {
        Ok(uri) if !uri.trim().is_empty() => Ok(uri),
        _ => Ok(servers::ensure_up()?.mongodb_uri),
    }
}
