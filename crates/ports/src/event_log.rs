use async_trait::async_trait;
use domain::event::Event;
use domain::time::Timestamp;

use crate::StoreError;

/// A position in the embedded event log, like an offset of Kafka. It rises with every event and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(pub u64);

/// An event with its position in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The value that the consumer sends to continue after this event.
    pub cursor: Cursor,
    /// The event as it was published.
    pub event: Event,
}

/// The reason why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventLogError {
    /// The consumer missed events: they were removed by their age, or the store was restored from a backup after the
    /// consumer had read further. The consumer has to read the current state elsewhere, and then the log from its
    /// beginning.
    #[error("events after cursor {0} are missing: they were removed by their age, or lost by a restore of the store")]
    Missed(u64),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The embedded event log, for installations without Kafka.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Returns up to `limit` events after `after`, in order; none at the end of the log. Without `after`, returns the
    /// oldest events that are kept.
    ///
    /// # Errors
    ///
    /// Returns [`EventLogError::Missed`] if events after `after` existed that the log no longer has, also if `after` is 0,
    /// and [`EventLogError::Store`] when the store cannot answer.
    async fn read(&self, after: Option<Cursor>, limit: usize) -> Result<Vec<LoggedEvent>, EventLogError>;

    /// Removes up to `limit` of the oldest events, up to the first one whose time is not before `before`, and returns
    /// their number. A cursor of a removed event is never used again, and [`read`](Self::read) with an earlier one fails
    /// from then on.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; the events may have been removed.
    async fn remove(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Waits until an event after `after` may exist. It may return early. It holds no connection of the store, and its
    /// future may be dropped at any time.
    async fn wait_after(&self, after: Cursor);
}
