//! The relay: at least once, in order per aggregate, from the first that was not acknowledged.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;
use ports::{EventPublisher, PendingOutbox, PublishError};
use use_cases::{Delivery, RelayOutboxes};

use crate::test_app::TestApp;

const LEASE: Duration = Duration::from_secs(5);

/// Stores events, and fails one of its calls: before or after it has stored the event.
struct Broker {
    stored: Mutex<Vec<Event>>,
    calls: AtomicUsize,
    fails_at: usize,
    stores_it_still: bool,
}

impl Broker {
    fn new(fails_at: usize, stores_it_still: bool) -> Arc<Self> {
        Arc::new(Self {
            stored: Mutex::default(),
            calls: AtomicUsize::new(0),
            fails_at,
            stores_it_still,
        })
    }

    fn sequences(&self) -> Vec<u64> {
        self.stored.lock().unwrap().iter().map(|event| event.sequence).collect()
    }
}

#[async_trait]
impl EventPublisher for Broker {
    async fn publish(&self, event: &Event) -> Result<(), PublishError> {
        let fails = self.calls.fetch_add(1, Ordering::SeqCst) == self.fails_at;
        if !fails || self.stores_it_still {
            self.stored.lock().unwrap().push(event.clone());
        }
        if fails {
            Err(PublishError("the broker went away".into()))
        } else {
            Ok(())
        }
    }
}

fn relay(app: &TestApp, broker: &Arc<Broker>, owner: &str) -> RelayOutboxes {
    RelayOutboxes::new(
        app.stores.outboxes.clone(),
        broker.clone(),
        app.clock.clone(),
        owner.to_owned(),
        LEASE,
    )
}

/// How long an outbox waits whose events could not be published.
const HOLD: Duration = Duration::from_secs(1);

/// One pass; whether everything that was claimed went out.
async fn pass(relay: &RelayOutboxes) -> bool {
    let claimed = relay.claim(64).await.unwrap();
    carry(relay, claimed).await
}

async fn carry(relay: &RelayOutboxes, claimed: Vec<PendingOutbox>) -> bool {
    let mut complete = true;
    for outbox in claimed {
        let delivery = relay.deliver(outbox).await;
        complete &= delivery.is_complete;
        relay.settle(&[delivery.settlement]).await.unwrap();
    }
    complete
}

/// Six events of one credential.
async fn turned(app: &TestApp) {
    let user = app.user().await;
    for _ in 0..3 {
        app.lock(&user).await;
        app.unlock(&user).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_fails_midway_gets_the_rest_in_order_from_the_first_unsent() {
    for fails_at in 0..6 {
        for stores_it_still in [false, true] {
            let app = TestApp::new().await;
            turned(&app).await;
            let broker = Broker::new(fails_at, stores_it_still);
            let relay = relay(&app, &broker, "relay");
            assert!(!pass(&relay).await);
            let (before, at) = (broker.sequences(), u64::try_from(fails_at).unwrap());
            assert_eq!(before, (1..=at + u64::from(stores_it_still)).collect::<Vec<_>>());
            assert!(relay.claim(64).await.unwrap().is_empty(), "others go first");
            app.clock.advance(HOLD);
            assert!(pass(&relay).await);
            assert_eq!(broker.sequences()[before.len()..], (at + 1..=6).collect::<Vec<_>>());
            assert!(relay.claim(64).await.unwrap().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_sent_again_keeps_its_id_and_its_place() {
    let app = TestApp::new().await;
    turned(&app).await;
    let broker = Broker::new(2, true);
    let relay = relay(&app, &broker, "relay");
    assert!(!pass(&relay).await);
    app.clock.advance(HOLD);
    assert!(pass(&relay).await);
    let stored = broker.stored.lock().unwrap();
    assert_eq!(stored[2], stored[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_an_outbox_is_out_follows_in_order() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.lock(&user).await;
    let broker = Broker::new(usize::MAX, false);
    let relay = relay(&app, &broker, "relay");
    let claimed = relay.claim(64).await.unwrap();
    app.unlock(&user).await;
    assert!(carry(&relay, claimed).await);
    assert!(pass(&relay).await);
    assert_eq!(broker.sequences(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_relays_claim_passes_to_another_when_its_lease_ends() {
    let app = TestApp::new().await;
    turned(&app).await;
    let broker = Broker::new(usize::MAX, false);
    let (dead, next) = (relay(&app, &broker, "dead"), relay(&app, &broker, "next"));
    assert_eq!(dead.claim(64).await.unwrap().len(), 1);
    app.clock.advance(LEASE - Duration::from_millis(1));
    assert!(next.claim(64).await.unwrap().is_empty());
    app.clock.advance(Duration::from_millis(1));
    assert!(pass(&next).await);
    assert_eq!(broker.sequences(), (1..=6).collect::<Vec<_>>());
}

/// Acknowledges three events, and says nothing more.
struct Silent(AtomicUsize);

#[async_trait]
impl EventPublisher for Silent {
    async fn publish(&self, _: &Event) -> Result<(), PublishError> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0..3 => Ok(()),
            _ => pending().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_delivery_is_given_up_is_not_sent_again() {
    let app = TestApp::new().await;
    turned(&app).await;
    let (outboxes, clock) = (app.stores.outboxes.clone(), app.clock.clone());
    let silent = Arc::new(Silent(AtomicUsize::new(0)));
    let patient = RelayOutboxes::new(outboxes, silent, clock, "relay".to_owned(), LEASE);
    let claimed = patient.claim(64).await.unwrap();
    let mut delivery = Delivery::of(&claimed[0]);
    tokio::select! {
        biased;
        () = patient.send(&claimed[0], &mut delivery) => unreachable!("it is never through"),
        () = ready(()) => {}
    }
    let delivery = patient.settlement(delivery);
    assert!(!delivery.is_complete);
    patient.settle(&[delivery.settlement]).await.unwrap();
    app.clock.advance(HOLD);
    let broker = Broker::new(usize::MAX, false);
    assert!(pass(&relay(&app, &broker, "another")).await);
    assert_eq!(broker.sequences(), [4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_holds_an_event_once_however_often_it_is_published() {
    let app = TestApp::new().await;
    turned(&app).await;
    let claimed = app.relay().claim(64).await.unwrap();
    for _ in 0..3 {
        for event in claimed.iter().flat_map(|outbox| &outbox.events) {
            app.stores.event_publisher.publish(event).await.unwrap();
        }
    }
    let sequences: Vec<_> = app.events().await.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=6).collect::<Vec<_>>());
}
