//! The contracts of every store port, on a server that speaks MongoDB's protocol.
//!
//! `AUTHME_TEST_MONGODB_URI` says where it is; `cargo xtask servers up` brings one up. Without it the contracts are shown
//! as ignored, by name.

#![expect(clippy::expect_used, reason = "a contract that cannot be set up ends its test")]

mod batches;
mod read_concerns;
mod test_database;

use std::time::Duration;

use adapter_mongodb::MongodbSettings;
use libtest_mimic::Arguments;
use port_contracts::{Fixture, suite};

use test_database::{TestDatabase, server};

fn main() {
    let mut trials = suite("mongodb", || {
        Box::pin(async { Box::new(TestDatabase::new().await) as Box<dyn Fixture> })
    });
    trials.extend(test_database::trials());
    trials.extend(read_concerns::trials());
    trials.extend(batches::trials());
    if server().is_none() {
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Settings of a database on the server.
fn settings(database: &str) -> MongodbSettings {
    let uri = server().expect("the trial is not ignored");
    MongodbSettings {
        // A contract says what is answered, not how soon.
        patience: Duration::from_mins(1),
        // Wherever the variable points.
        allow_insecure: true,
        ..MongodbSettings::new(uri, database, 16)
    }
}
