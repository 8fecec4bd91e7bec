//! Trials of races, which are tests of the crate `use-cases` with more repetitions.

use std::env;

use test_servers::checkout::command;

use crate::arguments::Store;
use crate::result::TrialResult;

/// The environment variable in which the tests find the URI of MongoDB.
const MONGODB_URI: &str = "AUTHME_TEST_MONGODB_URI";

/// Runs the tests `<store>::<name>_…`, one after another, and returns the results that they print. Drops their other
/// output.
pub(crate) fn run(name: &str, store: Store, rounds: usize, seed: Option<u64>) -> anyhow::Result<Vec<TrialResult>> {
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
        cargo.env(MONGODB_URI, mongodb_uri()?);
    }
    TrialResult::from_run(cargo, |_| {})
}

/// Returns the URI in the environment. If there is none, starts the servers and returns the URI of the store.
#[expect(
    clippy::disallowed_methods,
    reason = "the server of a trial is not an AuthMe setting"
)]
fn mongodb_uri() -> anyhow::Result<String> {
    match env::var(MONGODB_URI) {
        Ok(uri) if !uri.trim().is_empty() => Ok(uri),
        _ => Ok(test_servers::ensure_up()?.mongodb_uri),
    }
}
