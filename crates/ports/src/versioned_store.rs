use async_trait::async_trait;
use domain::event::NewEvent;

use crate::{SaveOutcome, StoreError};

/// A kind of stored data that is written as a whole, by one conditional write.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// The name of its collection or table.
    pub name: &'static str,
    /// Whether its writes push events, which a relay publishes.
    pub has_outbox: bool,
}

/// An aggregate with rules: a use case finds it by its key, decides on it, and saves it under its version.
pub trait Versioned: Clone + Send + Sync + 'static {
    /// The type of its key.
    type Key: AsRef<str> + Clone + Send + Sync + 'static;
    /// Its kind.
    const AGGREGATE: &'static Aggregate;

    /// Returns the key.
    fn key(&self) -> &Self::Key;

    /// Returns the stored version, counted from 1; 0 if it is not stored yet.
    fn version(&self) -> u64;
}

/// The store of an aggregate with rules. Every store adapter has one implementation for all of them.
#[async_trait]
pub trait VersionedStore<A: Versioned>: Send + Sync {
    /// Returns the aggregate as a majority of the replicas has it; `None` if it is not stored. Right after a failover,
    /// the result may be behind an acknowledged write.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never `None` instead.
    async fn find(&self, key: &A::Key) -> Result<Option<A>, StoreError>;

    /// Returns the present aggregate. Linearizable: it sees every write that was acknowledged to any process before the
    /// call.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never `None` instead.
    async fn read_linearizable(&self, key: &A::Key) -> Result<Option<A>, StoreError>;

    /// Stores the aggregate and its events in one atomic write if the stored version is still
    /// [`version`](Versioned::version), and raises the version. When it returns `Saved`, the write is durable on a
    /// majority, so no linearizable read that begins afterwards returns the state before. A repeated call is a conflict.
    /// Events of an aggregate without an outbox never have room.
    ///
    /// Callers save an unchanged aggregate as well, before they answer. Scenario: U is locked, version 3. A unlocks: it
    /// reads version 3, and its write is delayed in the network. A gets 503. B locks: U is locked already, so B saves
    /// version 4 and gets its 204. A's write arrives and matches nothing. Without B's save it would unlock U.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a conflict and a full outbox are outcomes.
    async fn save_if_version(&self, aggregate: &A, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError>;
}
