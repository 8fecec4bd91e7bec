use std::sync::Arc;

use ports::{Cursor, EventLog, LoggedEvent, StoreError};

/// A page of the event log, and the cursor after it.
#[derive(Debug, Clone)]
pub struct EventPage {
    pub events: Vec<LoggedEvent>,
    pub next: Cursor,
}

/// Reads the embedded event log, and waits for new events.
pub struct FollowEvents {
    log: Arc<dyn EventLog>,
}

impl FollowEvents {
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log }
    }

    /// Returns up to `limit` events after `after`. At the end of the log the page is empty; this does not wait.
    #[tracing::instrument(level = "debug", name = "follow_events", skip_all)]
    pub async fn run(&self, after: Cursor, limit: usize) -> Result<EventPage, StoreError> {
        let events = self.log.read(after, limit).await?;
        let next = events.last().map_or(after, |last| last.cursor);
        Ok(EventPage { events, next })
    }

    /// Waits until there may be events after `after`.
    pub async fn wait_after(&self, after: Cursor) {
        self.log.wait_after(after).await;
    }
}
