use std::sync::Arc;

use ports::{Cursor, EventLog, EventLogError, LoggedEvent};

/// A page of the event log, and the cursor after it.
#[derive(Debug, Clone)]
pub struct EventPage {
    pub events: Vec<LoggedEvent>,
    /// `None` if the page began with the oldest event and is empty.
    pub next: Option<Cursor>,
}

/// Reads the embedded event log, and waits for new events.
pub struct FollowEvents {
    log: Arc<dyn EventLog>,
}

impl FollowEvents {
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log }
    }

    /// Returns up to `limit` events after `after`, or the oldest ones without it. At the end of the log the page is
    /// empty; this does not wait. Fails if the caller has missed events after `after`.
    #[tracing::instrument(level = "debug", name = "follow_events", skip_all)]
    pub async fn run(&self, after: Option<Cursor>, limit: usize) -> Result<EventPage, EventLogError> {
        let events = self.log.read(after, limit).await?;
        let next = events.last().map(|last| last.cursor).or(after);
        Ok(EventPage { events, next })
    }

    /// Waits until there may be events after `after`.
    pub async fn wait_after(&self, after: Cursor) {
        self.log.wait_after(after).await;
    }
}
