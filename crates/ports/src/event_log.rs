use async_trait::async_trait;
use domain::event::Event;

use crate::StoreError;

/// A place in the embedded log. Rises with every event and is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(pub u64);

/// An event at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    pub cursor: Cursor,
    pub event: Event,
}

/// The embedded event log, for whoever runs without Kafka.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Up to `limit` events after `after`, in order; none past the end.
    async fn read(&self, after: Cursor, limit: usize) -> Result<Vec<LoggedEvent>, StoreError>;

    /// Returns once an event after `after` may be there. Holds nothing of the store; may be dropped at any time.
    async fn grown(&self, after: Cursor);
}
