use std::sync::Arc;

use ports::{Cursor, EventLog, LoggedEvent, StoreError};

/// A stretch of the log and where to go on.
#[derive(Debug, Clone)]
pub struct EventPage {
    pub events: Vec<LoggedEvent>,
    pub next: Cursor,
}

/// Reads the embedded event log, or waits until there is more of it.
pub struct FollowEvents {
    log: Arc<dyn EventLog>,
}

impl FollowEvents {
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log }
    }

    /// Up to `limit` events after `after`; at the end of the log an empty page at once.
    pub async fn run(&self, after: Cursor, limit: usize) -> Result<EventPage, StoreError> {
        let events = self.log.read(after, limit).await?;
        let next = events.last().map_or(after, |last| last.cursor);
        Ok(EventPage { events, next })
    }

    /// Returns once there may be events after `after`.
    pub async fn grown(&self, after: Cursor) {
        self.log.grown(after).await;
    }
}
