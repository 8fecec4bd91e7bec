//! The contracts of every store port, on a server that speaks MongoDB's protocol. Those of the ports whose requests are
//! batched run without batching as well.
//!
//! `AUTHME_TEST_MONGODB_URI` is its URI; `cargo xtask servers up` starts one. Without the variable every trial is
//! listed as ignored.

#![expect(clippy::expect_used, reason = "a trial that cannot be set up fails by a panic")]

mod batches;
mod read_concerns;
mod test_database;

use std::time::Duration;

use adapter_mongodb::MongodbSettings;
use libtest_mimic::{Arguments, Trial};
use port_contracts::{Fixture, suite};

use test_database::{TestDatabase, server};

const WITHOUT_BATCHING: &str = "mongodb_without_batching";

fn main() {
    let mut trials = suite("mongodb", || {
        Box::pin(async { Box::new(TestDatabase::new().await) as Box<dyn Fixture> })
    });
    let without_batching = suite(WITHOUT_BATCHING, || {
        Box::pin(async { Box::new(TestDatabase::without_batching().await) as Box<dyn Fixture> })
    });
    trials.extend(without_batching.into_iter().filter(uses_batching));
    trials.extend(test_database::trials());
    trials.extend(read_concerns::trials());
    trials.extend(batches::trials());
    if server().is_none() {
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Returns whether a trial is about a port whose reads or rotations are batched.
fn uses_batching(trial: &Trial) -> bool {
    let name = trial.name().strip_prefix(WITHOUT_BATCHING).unwrap_or_default();
    let ports = [
        "clients",
        "factors",
        "identities",
        "lock_statuses",
        "sessions",
        "versioned_store",
    ];
    ports.iter().any(|port| name.starts_with(&format!("::{port}::")))
}

/// Returns the settings of a database on the server.
fn settings(database: &str) -> MongodbSettings {
    let uri = server().expect("trials run only with a server");
    MongodbSettings {
        // Contracts are about results, not about speed: a slow machine must not fail them.
        call_timeout: Duration::from_mins(1),
        // The variable may name another machine.
        allow_insecure: true,
        ..MongodbSettings::new(uri, database, 16)
    }
}
