use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;
use domain::time::Timestamp;

use crate::StoreError;

/// The kinds of aggregate that have an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// A credential lock, keyed by user id.
    Credential,
    /// A factor set, keyed by user id.
    FactorSet,
    /// A refresh token family, keyed by family id.
    RefreshFamily,
}

impl Aggregate {
    /// All kinds; a service claims those of its contexts.
    pub const ALL: [Self; 3] = [Self::Credential, Self::FactorSet, Self::RefreshFamily];
}

/// The most events that one outbox holds, so that a document stays small while Kafka is away. A write that would exceed
/// it is not carried out at all: [`SaveOutcome::OutboxFull`](crate::SaveOutcome::OutboxFull).
pub const MAX_PENDING_EVENTS: usize = 200;

/// The terms of a claim.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The name of the relay, unique among all processes.
    pub owner: String,
    /// The start of the lease.
    pub now: Timestamp,
    /// The time until other relays may claim the outbox, if this one does not settle it.
    pub length: Duration,
}

/// A claimed outbox: the first pending events of one aggregate.
#[derive(Debug, Clone)]
pub struct PendingOutbox {
    /// Decides whether the key is a user id or a family id.
    pub aggregate: Aggregate,
    /// The key under which the aggregate is stored.
    pub key: String,
    /// In the order of their sequences, without gaps. More may be pending.
    pub events: Vec<Event>,
}

/// The result of publishing one claimed outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// That of the claimed outbox.
    pub aggregate: Aggregate,
    /// That of the claimed outbox; with the kind it identifies the document.
    pub key: String,
    /// The last sequence that was acknowledged, with all before it; `None` when no event was.
    pub published: Option<u64>,
    /// First instant at which the outbox may be claimed again, so that others go before one that failed; `None` for at
    /// once.
    pub held_until: Option<Timestamp>,
}

/// The amount by which publication lags behind, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxBacklog {
    /// Aggregates with pending events.
    pub depth: u64,
    /// The time of the oldest pending event.
    pub oldest: Option<Timestamp>,
    /// Counts the outboxes that this process claimed and could not read, since its start. Each is claimed again after a
    /// while and then counts again.
    pub unreadable: u64,
}

/// The outboxes of all aggregates (`docs/protocols.md` "Relay"): the events that commands pushed and no relay has
/// published yet. Published events are delivered at least once, and in order per aggregate once a consumer drops each
/// sequence that is not greater than the last.
///
/// Two relays: A claims sequences 1 to 3, publishes 1 and is stopped. Its lease ends. B claims the same outbox,
/// publishes 1, 2 and 3 and settles. A continues and publishes 2, a stale duplicate that consumers drop. A's settlement
/// removes events that are gone already and leaves B's lease.
#[async_trait]
pub trait Outboxes: Send + Sync {
    /// Claims up to `limit` aggregates that have pending events and no lease of another owner that is still running.
    /// Returns the first events that the claim found in each, or all. One atomic write per aggregate. A repeated claim
    /// by the same owner extends its lease. An empty result means that no event is pending or other relays hold all
    /// outboxes.
    ///
    /// An outbox that cannot be read, because a newer version wrote it, is logged, counted ([`OutboxBacklog::unreadable`])
    /// and held back. It does not keep other outboxes from being claimed.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer. Outboxes that were claimed all the same are free again when
    /// the lease ends.
    async fn claim(&self, lease: &Lease, limit: usize) -> Result<Vec<PendingOutbox>, StoreError>;

    /// Removes the published events, and ends the leases that `owner` still has, so that the next relay need not wait
    /// for their end. One atomic write per aggregate; idempotent. Published events are removed whichever relay has the
    /// lease by then. An aggregate that does not exist any more counts as settled.
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
