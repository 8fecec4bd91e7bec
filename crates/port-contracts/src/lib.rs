//! The contracts of the store ports: named trials that every store adapter runs against itself.
//!
//! An adapter brings a [`Fixture`] and runs [`suite`] with `libtest-mimic`; one with an embedded event log brings an
//! [`EventLogFixture`] and runs [`event_log_suite`] too. A contract is a private async function over the fixture, in
//! the file of the port it speaks of, and is listed once in that file's `contracts!`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a contract that does not hold ends its trial"
)]

mod clients;
mod contract;
mod credential_lock;
mod event_log;
mod expired_records;
mod factors;
mod fixtures;
mod groups;
mod identities;
mod known_names;
mod lock_statuses;
mod outboxes;
mod race;
mod tokens;

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use libtest_mimic::Trial;
use ports::credential_lock::CredentialLocks;
use ports::factors::{FactorSets, SendQuotas};
use ports::tokens::{RefreshFamilies, ValidationTokens};
use ports::{Clients, ExpiredRecords, Groups, Identities, KnownNames, LockStatuses, Outboxes};

pub use event_log::{EventLogFixture, OpenEventLogFixture, event_log_suite};

/// Worker threads of the runtime that each trial has to itself. The trial's own thread runs async code too.
pub const WORKERS: usize = 4;

/// How many events one outbox holds.
pub(crate) const MAX_PENDING_EVENTS: u64 = ports::MAX_PENDING_EVENTS as u64;

/// What an adapter brings to the suite: a fresh, empty place of its own.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The stores over the place, as it was opened last.
    fn stores(&self) -> Stores;

    /// Closes the place and opens it again: everything acknowledged must be there. A contract has let go of the stores
    /// it had before.
    async fn reopen(&self) -> Stores;
}

/// The store ports over one place.
#[derive(Clone)]
pub struct Stores {
    pub clients: Arc<dyn Clients>,
    pub identities: Arc<dyn Identities>,
    pub groups: Arc<dyn Groups>,
    pub known_names: Arc<dyn KnownNames>,
    pub lock_statuses: Arc<dyn LockStatuses>,
    pub credential_locks: Arc<dyn CredentialLocks>,
    pub factor_sets: Arc<dyn FactorSets>,
    pub send_quotas: Arc<dyn SendQuotas>,
    pub validation_tokens: Arc<dyn ValidationTokens>,
    pub refresh_families: Arc<dyn RefreshFamilies>,
    pub outboxes: Arc<dyn Outboxes>,
    pub garbage: Arc<dyn ExpiredRecords>,
}

/// A fixture on its way.
pub type Opening<F> = Pin<Box<dyn Future<Output = Box<F>> + Send>>;

/// Opens a fixture, inside the runtime of the trial it is for.
pub type OpenFixture = fn() -> Opening<dyn Fixture>;

/// Every contract of the store ports as a trial, named `adapter::port::contract`.
pub fn suite(adapter: &'static str, open: OpenFixture) -> Vec<Trial> {
    [
        clients::contracts(),
        credential_lock::credential_locks::contracts(),
        lock_statuses::contracts(),
        factors::factor_sets::contracts(),
        factors::factor_sets::codes::contracts(),
        factors::send_quotas::contracts(),
        expired_records::contracts(),
        groups::contracts(),
        identities::contracts(),
        known_names::contracts(),
        outboxes::contracts(),
        outboxes::leases::contracts(),
        tokens::refresh_families::contracts(),
        tokens::refresh_families::closing::contracts(),
        tokens::refresh_families::revocation::contracts(),
        tokens::validation_tokens::contracts(),
    ]
    .into_iter()
    .flatten()
    .map(|contract| contract.trial(adapter, open))
    .collect()
}
