use async_trait::async_trait;
use domain::event::Event;

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

/// The embedded event log, for installations without Kafka.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Returns up to `limit` events after `after`, in order; none at the end of the log.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn read(&self, after: Cursor, limit: usize) -> Result<Vec<LoggedEvent>, StoreError>;

    /// Waits until an event after `after` may exist. It may return early. It holds no connection of the store, and its
    /// future may be dropped at any time.
    async fn wait_after(&self, after: Cursor);
}
