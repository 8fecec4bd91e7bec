//! The events of an app, published and read by its own relay.

use std::future::ready;
use std::sync::Arc;

use domain::event::Event;
use domain::ids::UserId;
use ports::{EventPublisher, LoggedEvent, Outboxes};
use stored_forms::all_aggregates;
use use_cases::{RelayOutboxes, RelayPorts};

use crate::TestApp;
use crate::app::LEASE;

/// More events than any test causes.
const MANY: usize = 10_000_000;

impl TestApp {
    /// Returns all events so far.
    pub async fn events(&self) -> Vec<Event> {
        self.publish().await;
        let logged = self.event_log.read(None, MANY).await.unwrap();
        logged.into_iter().map(|logged| logged.event).collect()
    }

    /// Returns all events of the user so far. Reads only what was logged since the last call.
    pub async fn events_of(&self, user: &UserId) -> Vec<Event> {
        self.publish().await;
        let until = self.events_read.lock().unwrap().until;
        let logged = self.event_log.read(Some(until), MANY).await.unwrap();
        let mut events_read = self.events_read.lock().unwrap();
        for LoggedEvent { cursor, event } in logged {
            if cursor > events_read.until {
                events_read.until = cursor;
                events_read.events.entry(event.user.clone()).or_default().push(event);
            }
        }
        events_read.events.get(user).cloned().unwrap_or_default()
    }

    async fn publish(&self) {
        let relay = self.relay(self.event_publisher.clone(), "relay");
        publish_all(&relay, &*self.outboxes()).await;
    }

    /// See [`drain`].
    pub async fn drain(&self, relay: &RelayOutboxes) -> bool {
        drain(relay, &*self.outboxes()).await
    }

    pub fn relay(&self, publisher: Arc<dyn EventPublisher>, owner: &str) -> RelayOutboxes {
        let ports = RelayPorts {
            outboxes: self.outboxes(),
            publisher,
            clock: self.clock.clone(),
            timer: self.timer.clone(),
        };
        RelayOutboxes::new(ports, owner.to_owned(), LEASE)
    }

    pub fn outboxes(&self) -> Arc<dyn Outboxes> {
        self.stores.upkeep.outboxes(&all_aggregates())
    }
}

/// Publishes all pending events to the log.
pub async fn publish_all(relay: &RelayOutboxes, outboxes: &dyn Outboxes) {
    assert!(drain(relay, outboxes).await, "not all events were published");
}

/// Runs the relay until a pass finds no event or fails. Returns whether the outboxes are empty.
pub async fn drain(relay: &RelayOutboxes, outboxes: &dyn Outboxes) -> bool {
    relay.run(ready(())).await;
    outboxes.backlog().await.unwrap().depth == 0
}
