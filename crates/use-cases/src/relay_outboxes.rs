use std::sync::Arc;
use std::time::Duration;

use domain::time;
use ports::{Clock, EventPublisher, Lease, Outboxes, PendingOutbox, Settlement, StoreError};

/// The time for which an outbox is held back after a failed publication. Other outboxes are published in the meantime,
/// and one second is short compared with an outage of the broker.
const HOLD: Duration = Duration::from_secs(1);

/// Publishes the events of the outboxes: at least once, in order per aggregate (docs/protocols.md "Relay").
///
/// One pass is [`claim`](Self::claim), then [`deliver`](Self::deliver) for each claimed outbox, then
/// [`settle`](Self::settle) with all settlements. Outboxes are independent of each other, so they may be delivered in
/// parallel.
///
/// If the process dies
/// - after the claim: nothing is published. The lease ends by itself, and another relay claims the outbox. A restarted
///   relay with the same owner name claims its own outboxes immediately.
/// - after a publication, before the settlement: the events are still in the outbox. The next relay publishes them
///   again, from the first one, with the same ids and sequences. A consumer drops each sequence that is not greater
///   than the last one it handled.
/// - after the settlement: the published events are removed and the lease has ended. Nothing is repeated.
///
/// If the process pauses instead: A claims sequences 1 to 3, publishes 1 and pauses. Its lease ends. B claims,
/// publishes 1, 2 and 3, and settles. A continues and publishes 2, which consumers drop. A's settlement finds nothing
/// left to remove, and does not end a lease of B.
pub struct RelayOutboxes {
    outboxes: Arc<dyn Outboxes>,
    publisher: Arc<dyn EventPublisher>,
    clock: Arc<dyn Clock>,
    owner: String,
    lease: Duration,
}

impl RelayOutboxes {
    /// `owner` names this relay among its replicas. A claim ends by itself after `lease`.
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

    /// Claims up to `limit` outboxes that have events and no lease of another relay.
    pub async fn claim(&self, limit: usize) -> Result<Vec<PendingOutbox>, StoreError> {
        let lease = Lease {
            owner: self.owner.clone(),
            now: self.clock.now(),
            length: self.lease,
        };
        self.outboxes.claim(&lease, limit).await
    }

    /// Publishes the events of a claimed outbox, and returns the result to settle. Has no deadline of its own.
    pub async fn deliver(&self, outbox: PendingOutbox) -> Delivery {
        let mut delivery = Delivery::unpublished(&outbox);
        self.send(&outbox, &mut delivery).await;
        self.hold_if_incomplete(delivery)
    }

    /// Publishes the events in order, each after the one before was acknowledged, and stops at the first failure. May
    /// be dropped at any time: `delivery` then has what was acknowledged.
    pub async fn send(&self, outbox: &PendingOutbox, delivery: &mut Delivery) {
        for event in &outbox.events {
            if let Err(error) = self.publisher.publish(event).await {
                tracing::warn!(
                    event = %event.id.0,
                    error = &error as &dyn std::error::Error,
                    "an event could not be published; the relay tries again"
                );
                return;
            }
            delivery.settlement.published = Some(event.sequence);
        }
        delivery.is_complete = true;
    }

    /// Holds the outbox of an incomplete delivery back for a second; leaves a complete one as it is.
    pub fn hold_if_incomplete(&self, mut delivery: Delivery) -> Delivery {
        if !delivery.is_complete {
            delivery.settlement.held_until = Some(time::after(self.clock.now(), HOLD));
        }
        delivery
    }

    /// Removes the published events and ends this relay's leases. Repeating it changes nothing.
    pub async fn settle(&self, settlements: &[Settlement]) -> Result<(), StoreError> {
        self.outboxes.settle(&self.owner, settlements).await
    }
}

/// The progress of the delivery of one claimed outbox.
#[derive(Debug)]
pub struct Delivery {
    pub settlement: Settlement,
    /// Every claimed event was acknowledged.
    pub is_complete: bool,
}

impl Delivery {
    /// Returns a delivery that has published nothing yet.
    pub fn unpublished(outbox: &PendingOutbox) -> Self {
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
