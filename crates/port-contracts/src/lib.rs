//! The contracts of the store ports: named trials that every store adapter runs against itself, so that adapters are
//! interchangeable.
//!
//! An adapter implements [`Fixture`] and runs [`suite`] with `libtest-mimic`, in a test target with `harness = false`.
//! An adapter with an embedded event log also implements [`EventLogFixture`] and runs [`event_log_suite`]:
//!
//! ```no_run
//! use async_trait::async_trait;
//! use port_contracts::{Fixture, suite};
//! use ports::Stores;
//!
//! struct TestDatabase;
//!
//! #[async_trait]
//! impl Fixture for TestDatabase {
//!     fn stores(&self) -> Stores {
//!         todo!("the stores over a fresh database")
//!     }
//!
//!     async fn reopen(&self) -> Stores {
//!         todo!("close the database, open it again")
//!     }
//! }
//!
//! fn main() {
//!     let trials = suite("mydb", || Box::pin(async { Box::new(TestDatabase) as Box<dyn Fixture> }));
//!     // Trials such as `mydb::outboxes::leases::claim_respects_its_limit`.
//!     libtest_mimic::run(&libtest_mimic::Arguments::from_args(), trials).exit();
//! }
//! ```
//!
//! A contract is a private async function over the fixture, in the file of its port, listed in the `contracts!` of that
//! file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken contract fails its trial by a panic"
)]

mod clients;
mod contract;
mod credential_lock;
mod event_log;
mod expired_records;
mod factors;
mod fixture;
mod fixtures;
mod groups;
mod identities;
mod known_names;
mod lock_statuses;
mod outboxes;
mod race;
mod sessions;
mod tokens;
mod versioned_store;

use libtest_mimic::Trial;

pub use fixture::{Fixture, OpenFixture, Opening, WORKERS};
pub(crate) use fixture::{MAX_PENDING_EVENTS, all_expired_records, all_outboxes};

pub use event_log::{EventLogFixture, OpenEventLogFixture, event_log_suite};

/// Returns every contract of the store ports as a trial, named `adapter::port::contract`.
///
/// # Panics
///
/// Panics if an aggregate with rules has no contracts.
pub fn suite(adapter: &'static str, open: OpenFixture) -> Vec<Trial> {
    let contracts = [
        clients::contracts(),
        credential_lock::contracts(),
        lock_statuses::contracts(),
        factors::contracts(),
        expired_records::contracts(),
        groups::contracts(),
        identities::contracts(),
        identities::removal::contracts(),
        known_names::contracts(),
        outboxes::contracts(),
        outboxes::leases::contracts(),
        sessions::contracts(),
        tokens::contracts(),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    for collection in stored_forms::collections().filter(|collection| collection.is_versioned) {
        let name = format!("::versioned_store::{}::", collection.aggregate.name);
        assert!(
            contracts.iter().any(|contract| contract.name.contains(&name)),
            "`{}` has no contracts: list `versioned_store::contracts` of it in the `mod.rs` of its context",
            collection.aggregate.name
        );
    }
    let trials = contracts.into_iter().map(|contract| contract.into_trial(adapter, open));
    trials.collect()
}
