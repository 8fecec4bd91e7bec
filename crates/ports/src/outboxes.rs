use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;
use domain::time::Timestamp;

use crate::StoreError;

/// The stored things that hold an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    Credential,
    FactorSet,
    RefreshFamily,
}

impl Aggregate {
    pub const ALL: [Self; 3] = [Self::Credential, Self::FactorSet, Self::RefreshFamily];
}

/// How many events one outbox holds (03-protocols 3). A write that would exceed it is refused as a whole.
pub const MAX_PENDING_EVENTS: usize = 200;

/// A claim on an outbox: whose, and until when.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Names this relay among its replicas.
    pub owner: String,
    pub now: Timestamp,
    pub length: Duration,
}

/// A claimed outbox: events of one aggregate in the order of their sequence.
#[derive(Debug, Clone)]
pub struct PendingOutbox {
    pub aggregate: Aggregate,
    /// The key of the aggregate: user id or family id.
    pub key: String,
    pub events: Vec<Event>,
}

/// What came of one claimed outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub aggregate: Aggregate,
    pub key: String,
    /// Every event up to this sequence was published; `None` when none was.
    pub published: Option<u64>,
    /// Nobody claims it before: what could not be published now lets others go first. `None` for at once.
    pub held_until: Option<Timestamp>,
}

/// How far publishing is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Aggregates with something to send.
    pub depth: u64,
    /// Time of the oldest event not yet sent.
    pub oldest: Option<Timestamp>,
    /// How often this process has claimed an outbox that it could not read; each is claimed again after a while.
    pub unreadable: u64,
}

/// The events that commands left in their aggregates, on their way out (03-protocols 3).
///
/// An empty answer means nothing is to be sent, or another relay holds it.
#[async_trait]
pub trait Outboxes: Send + Sync {
    /// Claims up to `limit` aggregates that have events and no living lease of another, and returns the first events that
    /// the claim found in each, or all. One atomic write per aggregate; a repeated claim by the same owner extends its lease.
    /// An outbox that cannot be read is told in the log, counted ([`Backlog::unreadable`]) and left for later; it keeps no
    /// other from being claimed.
    async fn claim(&self, lease: &Lease, limit: usize) -> Result<Vec<PendingOutbox>, StoreError>;

    /// Removes what was published, and ends the claims that `owner` still has, so that whoever comes next need not wait
    /// for them to run out. One atomic write per aggregate; idempotent. What was published is removed whoever has the
    /// claim by now, and an aggregate that is gone is settled.
    async fn settle(&self, owner: &str, settlements: &[Settlement]) -> Result<(), StoreError>;

    /// Returns once an event may have been pushed by this process since the last call returned. May be dropped at any
    /// time; events of other processes are found by claiming now and then.
    async fn wait_for_event(&self);

    async fn backlog(&self) -> Result<Backlog, StoreError>;
}
