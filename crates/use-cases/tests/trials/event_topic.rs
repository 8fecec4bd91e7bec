use std::sync::Mutex;

use async_trait::async_trait;
use domain::event::Event;
use domain::time::Timestamp;
use ports::{Cursor, EventLog, EventLogError, EventPublisher, LoggedEvent, PublishError, StoreError};
use tokio::sync::watch;

/// Fakes a broker: keeps every event, including repeated ones.
#[derive(Default)]
pub(crate) struct EventTopic {
    events: Mutex<Vec<Event>>,
    length: watch::Sender<usize>,
}

#[async_trait]
impl EventPublisher for EventTopic {
    async fn publish(&self, event: &Event) -> Result<(), PublishError> {
        let mut events = self.events.lock().unwrap();
        events.push(event.clone());
        self.length.send_replace(events.len());
        Ok(())
    }
}

#[async_trait]
impl EventLog for EventTopic {
    async fn read(&self, after: Option<Cursor>, limit: usize) -> Result<Vec<LoggedEvent>, EventLogError> {
        let events = self.events.lock().unwrap();
        let placed = (1..)
            .zip(&*events)
            .skip(index_of(after.unwrap_or_default()))
            .take(limit);
        Ok(placed
            .map(|(cursor, event)| LoggedEvent {
                cursor: Cursor(cursor),
                event: event.clone(),
            })
            .collect())
    }

    /// Removes nothing: a trial reads every event.
    async fn remove(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn wait_after(&self, after: Cursor) {
        let grown = |length: &usize| *length > index_of(after);
        self.length
            .subscribe()
            .wait_for(grown)
            .await
            .expect("the sender lives as long as the topic");
    }
}

fn index_of(cursor: Cursor) -> usize {
    usize::try_from(cursor.0).unwrap()
}
