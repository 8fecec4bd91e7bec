use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use ports::{ExpiredRecords, Outboxes, Stores};
use stored_forms::all_aggregates;

/// The number of worker threads in the runtime of each trial, so that concurrent callers run in parallel. The trial's
/// own thread runs async code as well.
pub const WORKERS: usize = 4;

/// The maximum number of events in one outbox.
pub(crate) const MAX_PENDING_EVENTS: u64 = ports::MAX_PENDING_EVENTS as u64;

/// An adapter's part of the suite: a fresh, empty database for one trial.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Returns the stores over the database that was opened last.
    fn stores(&self) -> Stores;

    /// Closes the database, opens it again and returns its stores. Every acknowledged write must still exist. The
    /// contract drops its earlier stores before the call.
    async fn reopen(&self) -> Stores;
}

/// Returns the outboxes of all aggregates.
pub(crate) fn all_outboxes(stores: &Stores) -> Arc<dyn Outboxes> {
    stores.upkeep.outboxes(&all_aggregates())
}

/// Returns the purge of all aggregates.
pub(crate) fn all_expired_records(stores: &Stores) -> Arc<dyn ExpiredRecords> {
    stores.upkeep.expired_records(&all_aggregates())
}

/// The future that opens a fixture.
pub type Opening<F> = Pin<Box<dyn Future<Output = Box<F>> + Send>>;

/// Opens a fixture in the runtime of its trial.
pub type OpenFixture = fn() -> Opening<dyn Fixture>;
