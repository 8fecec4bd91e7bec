//! The relay publishes at least once, in order per aggregate, from the first event that was not acknowledged.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stored_forms::all_aggregates;

use async_trait::async_trait;
use domain::event::Event;
use ports::{EventPublisher, PendingOutbox, PublishError};
use use_cases::{Delivery, RelayOutboxes};

use test_support::TestApp;

const LEASE: Duration = Duration::from_secs(5);

/// Stores events, and fails one call, before or after it stored the event.
struct Broker {
    stored: Mutex<Vec<Event>>,
    calls: AtomicUsize,
    fails_at: usize,
    is_stored_anyway: bool,
}

impl Broker {
    fn new(fails_at: usize, is_stored_anyway: bool) -> Arc<Self> {
        Arc::new(Self {
            stored: Mutex::default(),
            calls: AtomicUsize::new(0),
            fails_at,
            is_stored_anyway,
        })
    }

    fn sequences(&self) -> Vec<u64> {
        self.stored.lock().unwrap().iter().map(|event| event.sequence).collect()
    }
}

#[async_trait]
impl EventPublisher for Broker {
    async fn publish(&self, event: &Event) -> Result<(), PublishError> {
        let is_failing = self.calls.fetch_add(1, Ordering::SeqCst) == self.fails_at;
        if !is_failing || self.is_stored_anyway {
            self.stored.lock().unwrap().push(event.clone());
        }
        if is_failing {
            Err(PublishError("the broker is unreachable".into()))
        } else {
            Ok(())
        }
    }
}

fn relay(app: &TestApp, broker: &Arc<Broker>, owner: &str) -> RelayOutboxes {
    RelayOutboxes::new(
        app.stores.upkeep.outboxes(&all_aggregates()),
        broker.clone(),
        app.clock.clone(),
        owner.to_owned(),
        LEASE,
    )
}

/// The time for which the relay holds back an outbox after a failed publication.
const HOLD: Duration = Duration::from_secs(1);

/// Runs one pass. Returns whether everything that was claimed was published.
async fn run_pass(relay: &RelayOutboxes) -> bool {
    let claimed = relay.claim(64).await.unwrap();
    deliver_and_settle(relay, claimed).await
}

async fn deliver_and_settle(relay: &RelayOutboxes, claimed: Vec<PendingOutbox>) -> bool {
    let mut is_complete = true;
    for outbox in claimed {
        let delivery = relay.deliver(outbox).await;
        is_complete &= delivery.is_complete;
        relay.settle(&[delivery.settlement]).await.unwrap();
    }
    is_complete
}

/// Pushes six events of one credential.
async fn push_six_events(app: &TestApp) {
    let user = app.user().await;
    for _ in 0..3 {
        app.lock(&user).await;
        app.unlock(&user).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_publication_resumes_in_order() {
    for fails_at in 0..6 {
        for is_stored_anyway in [false, true] {
            let app = TestApp::new().await;
            push_six_events(&app).await;
            let broker = Broker::new(fails_at, is_stored_anyway);
            let relay = relay(&app, &broker, "relay");
            assert!(!run_pass(&relay).await);
            let (before, at) = (broker.sequences(), u64::try_from(fails_at).unwrap());
            assert_eq!(before, (1..=at + u64::from(is_stored_anyway)).collect::<Vec<_>>());
            assert!(relay.claim(64).await.unwrap().is_empty(), "the outbox is held back");
            app.clock.advance(HOLD);
            assert!(run_pass(&relay).await);
            assert_eq!(broker.sequences()[before.len()..], (at + 1..=6).collect::<Vec<_>>());
            assert!(relay.claim(64).await.unwrap().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_keeps_its_id_and_sequence() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let broker = Broker::new(2, true);
    let relay = relay(&app, &broker, "relay");
    assert!(!run_pass(&relay).await);
    app.clock.advance(HOLD);
    assert!(run_pass(&relay).await);
    let stored = broker.stored.lock().unwrap();
    assert_eq!(stored[2], stored[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_pushed_during_a_claim_follow_in_order() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.lock(&user).await;
    let broker = Broker::new(usize::MAX, false);
    let relay = relay(&app, &broker, "relay");
    let claimed = relay.claim(64).await.unwrap();
    app.unlock(&user).await;
    assert!(deliver_and_settle(&relay, claimed).await);
    assert!(run_pass(&relay).await);
    assert_eq!(broker.sequences(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_relay_claims_when_the_lease_ends() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let broker = Broker::new(usize::MAX, false);
    let (first, next) = (relay(&app, &broker, "first"), relay(&app, &broker, "next"));
    assert_eq!(first.claim(64).await.unwrap().len(), 1);
    app.clock.advance(LEASE - Duration::from_millis(1));
    assert!(next.claim(64).await.unwrap().is_empty());
    app.clock.advance(Duration::from_millis(1));
    assert!(run_pass(&next).await);
    assert_eq!(broker.sequences(), (1..=6).collect::<Vec<_>>());
}

/// Acknowledges three events, and never answers again.
struct AcknowledgesThree(AtomicUsize);

#[async_trait]
impl EventPublisher for AcknowledgesThree {
    async fn publish(&self, _: &Event) -> Result<(), PublishError> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0..3 => Ok(()),
            _ => pending().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_delivery_keeps_what_was_acknowledged() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let (outboxes, clock) = (app.stores.upkeep.outboxes(&all_aggregates()), app.clock.clone());
    let publisher = Arc::new(AcknowledgesThree(AtomicUsize::new(0)));
    let abandoned = RelayOutboxes::new(outboxes, publisher, clock, "relay".to_owned(), LEASE);
    let claimed = abandoned.claim(64).await.unwrap();
    let mut delivery = Delivery::unpublished(&claimed[0]);
    tokio::select! {
        biased;
        () = abandoned.send(&claimed[0], &mut delivery) => unreachable!("the publisher never answers"),
        () = ready(()) => {}
    }
    let delivery = abandoned.hold_if_incomplete(delivery);
    assert!(!delivery.is_complete);
    abandoned.settle(&[delivery.settlement]).await.unwrap();
    app.clock.advance(HOLD);
    let broker = Broker::new(usize::MAX, false);
    assert!(run_pass(&relay(&app, &broker, "another")).await);
    assert_eq!(broker.sequences(), [4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_ignores_repeated_events() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let claimed = app.relay().claim(64).await.unwrap();
    for _ in 0..3 {
        for event in claimed.iter().flat_map(|outbox| &outbox.events) {
            app.event_publisher.publish(event).await.unwrap();
        }
    }
    let sequences: Vec<_> = app.events().await.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=6).collect::<Vec<_>>());
}
