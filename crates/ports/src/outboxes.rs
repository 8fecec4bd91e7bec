use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;
use domain::time::Timestamp;

use crate::{Aggregate, StoreError};

/// The maximum number of events in one outbox, so that a document stays small while Kafka is unreachable. A write that
/// would exceed it is rejected as a whole: [`SaveOutcome::OutboxFull`](crate::SaveOutcome::OutboxFull).
pub const MAX_PENDING_EVENTS: usize = 200;

/// The terms of a claim.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The name of the relay, unique among all processes.
    pub owner: String,
    /// The start of the lease.
    pub now: Timestamp,
    /// The time until other relays may claim the outbox, unless this one settles it before.
    pub length: Duration,
}

/// A claimed outbox: the first pending events of one aggregate.
#[derive(Debug, Clone)]
pub struct PendingOutbox {
    /// Decides whether the key is a user id or a family id.
    pub aggregate: &'static Aggregate,
    /// The key under which the aggregate is stored.
    pub key: String,
    /// The events in the order of their sequences, without gaps. More may be pending.
    pub events: Vec<Event>,
}

/// The result of publishing one claimed outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The kind of the claimed outbox.
    pub aggregate: &'static Aggregate,
    /// The key of the claimed outbox. Kind and key identify the document.
    pub key: String,
    /// The last sequence up to which all events were acknowledged; `None` if no event was.
    pub published: Option<u64>,
    /// The first instant at which the outbox may be claimed again, so that other outboxes go before one that failed;
    /// `None` if it may be claimed immediately.
    pub held_until: Option<Timestamp>,
}

/// The backlog of unpublished events, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxBacklog {
    /// The number of aggregates with pending events.
    pub depth: u64,
    /// The time of the oldest pending event.
    pub oldest: Option<Timestamp>,
    /// The number of times since its start that this process claimed an outbox that it could not read. Such an outbox
    /// is claimed again after a while and then counts again.
    pub unreadable: u64,
}

/// The outboxes of all aggregates (`docs/protocols.md` "Relay"): the events that commands pushed and no relay has
/// published yet. Published events are delivered at least once, and in order per aggregate once a consumer drops each
/// sequence that is not greater than the last.
///
/// Two relays: A claims sequences 1 to 3, publishes 1 and pauses. Its lease ends. B claims the same outbox, publishes
/// 1, 2 and 3 and settles. A continues and publishes 2, a stale duplicate that consumers drop. A's settlement finds its
/// events removed already, and does not end B's lease.
#[async_trait]
pub trait Outboxes: Send + Sync {
    /// Claims up to `limit` aggregates that have pending events and no running lease of another owner. Returns the
    /// pending events of each, or only the first of them. One atomic write per aggregate. A repeated claim by the same
    /// owner extends its lease. An empty result means that no event is pending, or that all outboxes are leased or held
    /// back.
    ///
    /// An outbox that cannot be read, because a newer version wrote it, is logged, counted
    /// ([`OutboxBacklog::unreadable`]) and held back. It does not keep other outboxes from being claimed.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer. Outboxes that were claimed nevertheless can be claimed
    /// again when the lease ends.
    async fn claim(&self, lease: &Lease, limit: usize) -> Result<Vec<PendingOutbox>, StoreError>;

    /// Removes the published events, and ends the leases that `owner` still has, so that the next relay need not wait
    /// for them. One atomic write per aggregate; idempotent. Published events are removed regardless of which relay has
    /// the lease by then. An aggregate that no longer exists counts as settled.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer. Events that were not removed are published again.
    async fn settle(&self, owner: &str, settlements: &[Settlement]) -> Result<(), StoreError>;

    /// Waits until this process may have pushed an event since the last call returned. It may return early, and its
    /// future may be dropped at any time. Events of other processes do not wake it: the relay finds them by claiming
    /// periodically.
    async fn wait_for_event(&self);

    /// Returns the backlog of all aggregates.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn backlog(&self) -> Result<OutboxBacklog, StoreError>;
}
