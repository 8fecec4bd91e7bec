use std::sync::Arc;
use std::time::Duration;

use domain::time;
use ports::{Clock, EventPublisher, Lease, Outboxes, PendingOutbox, Settlement, StoreError};

/// An outbox whose events could not be published waits so long, so that it does not keep others out.
const HOLD: Duration = Duration::from_secs(1);

/// Carries events from the outboxes to the publisher: at least once, in order per aggregate (03-protocols 3).
///
/// One pass is [`claim`](Self::claim), then [`deliver`](Self::deliver) for each claimed outbox, then
/// [`settle`](Self::settle) with all that came of it. Outboxes are independent, so they may be delivered at the same time.
pub struct RelayOutboxes {
    outboxes: Arc<dyn Outboxes>,
    publisher: Arc<dyn EventPublisher>,
    clock: Arc<dyn Clock>,
    owner: String,
    lease: Duration,
}

impl RelayOutboxes {
    /// `owner` names this relay among its replicas; a claim ends by itself after `lease`.
    pub fn new(
        outboxes: Arc<dyn Outboxes>,
        publisher: Arc<dyn EventPublisher>,
        clock: Arc<dyn Clock>,
        owner: String,
        lease: Duration,
    ) -> Self {
        Self {
            outboxes,
            publisher,
            clock,
            owner,
            lease,
        }
    }

    /// Claims up to `limit` outboxes.
    pub async fn claim(&self, limit: usize) -> Result<Vec<PendingOutbox>, StoreError> {
        let lease = Lease {
            owner: self.owner.clone(),
            now: self.clock.now(),
            length: self.lease,
        };
        self.outboxes.claim(&lease, limit).await
    }

    /// Sends a claimed outbox's events, however long it takes.
    pub async fn deliver(&self, outbox: PendingOutbox) -> Delivery {
        let mut delivery = Delivery::of(&outbox);
        self.send(&outbox, &mut delivery).await;
        self.settlement(delivery)
    }

    /// Sends the events one after another, each only after the one before was acknowledged. Who gives this up half-way
    /// finds in `delivery` what was acknowledged until then.
    pub async fn send(&self, outbox: &PendingOutbox, delivery: &mut Delivery) {
        for event in &outbox.events {
            if let Err(failure) = self.publisher.publish(event).await {
                tracing::warn!(event = %event.id.0, error = &failure as &dyn std::error::Error, "an event is not published yet");
                return;
            }
            delivery.settlement.published = Some(event.sequence);
        }
        delivery.is_complete = true;
    }

    /// When not all of it was sent, others go first for a while.
    pub fn settlement(&self, mut delivery: Delivery) -> Delivery {
        if !delivery.is_complete {
            delivery.settlement.held_until = Some(time::after(self.clock.now(), HOLD));
        }
        delivery
    }

    /// Removes what was sent, and ends the claims.
    pub async fn settle(&self, settlements: &[Settlement]) -> Result<(), StoreError> {
        self.outboxes.settle(&self.owner, settlements).await
    }
}

/// What came of one outbox.
#[derive(Debug)]
pub struct Delivery {
    pub settlement: Settlement,
    /// Whether all of it was sent.
    pub is_complete: bool,
}

impl Delivery {
    /// Of which nothing was sent yet.
    pub fn of(outbox: &PendingOutbox) -> Self {
        Self {
            settlement: Settlement {
                aggregate: outbox.aggregate,
                key: outbox.key.clone(),
                published: None,
                held_until: None,
            },
            is_complete: false,
        }
    }
}
