//! The relay publishes at least once, in order per aggregate, from the first event that was not acknowledged.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;
use futures_util::FutureExt as _;
use ports::{Clock as _, EventPublisher, Lease, PendingOutbox, PublishError};
use test_support::TestApp;
use test_support::app::LEASE;

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

/// The time for which the relay holds back an outbox after a failed publication.
const HOLD: Duration = Duration::from_secs(1);

/// The time limit for publishing one outbox.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Claims as the relay `owner` would.
async fn claim(app: &TestApp, owner: &str) -> Vec<PendingOutbox> {
    let lease = Lease {
        owner: owner.to_owned(),
        now: app.clock.now(),
        length: LEASE,
    };
    app.outboxes().claim(&lease, 64).await.unwrap()
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
            let relay = app.relay(broker.clone(), "relay");
            assert!(!app.drain(&relay).await);
            let (before, at) = (broker.sequences(), u64::try_from(fails_at).unwrap());
            assert_eq!(before, (1..=at + u64::from(is_stored_anyway)).collect::<Vec<_>>());
            assert!(claim(&app, "relay").await.is_empty(), "the outbox is held back");
            app.clock.advance(HOLD);
            assert!(app.drain(&relay).await);
            assert_eq!(broker.sequences()[before.len()..], (at + 1..=6).collect::<Vec<_>>());
            assert!(claim(&app, "relay").await.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_keeps_its_id_and_sequence() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let broker = Broker::new(2, true);
    let relay = app.relay(broker.clone(), "relay");
    assert!(!app.drain(&relay).await);
    app.clock.advance(HOLD);
    assert!(app.drain(&relay).await);
    let stored = broker.stored.lock().unwrap();
    assert_eq!(stored[2], stored[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_pushed_during_a_claim_follow_in_order() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.lock(&user).await;
    let broker = Broker::new(usize::MAX, false);
    let relay = app.relay(broker.clone(), "relay");
    let mut run = relay.start();
    assert!(run.step().await, "the relay claims");
    app.unlock(&user).await;
    run.end();
    while run.step().await {}
    assert_eq!(broker.sequences(), [1, 2]);
    assert!(claim(&app, "relay").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_relay_claims_when_the_lease_ends() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let broker = Broker::new(usize::MAX, false);
    let next = app.relay(broker.clone(), "next");
    assert_eq!(claim(&app, "first").await.len(), 1);
    app.clock.advance(LEASE - Duration::from_millis(1));
    assert!(!app.drain(&next).await);
    assert!(broker.sequences().is_empty());
    app.clock.advance(Duration::from_millis(1));
    assert!(app.drain(&next).await);
    assert_eq!(broker.sequences(), (1..=6).collect::<Vec<_>>());
}

/// A pass over one outbox with six events has eight steps: the claim, six publications and the settlement.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_after_any_step_repeats_but_loses_and_reorders_nothing() {
    for steps in 0..=8 {
        for is_killed_in_flight in [false, true] {
            let app = TestApp::new().await;
            push_six_events(&app).await;
            let broker = Broker::new(usize::MAX, false);
            let killed = app.relay(broker.clone(), "killed");
            let mut run = killed.start();
            for _ in 0..steps {
                assert!(run.step().await);
            }
            if is_killed_in_flight {
                // Starts the next actions. Those that do not end immediately are abandoned.
                let _ = run.step().now_or_never();
            }
            drop(run);
            let published = broker.sequences();
            assert_eq!(
                published,
                (1..=u64::try_from(published.len()).unwrap()).collect::<Vec<_>>()
            );

            app.clock.advance(LEASE);
            assert!(app.drain(&app.relay(broker.clone(), "next")).await);
            let repeated = broker.sequences().split_off(published.len());
            let first = if steps == 8 { 7 } else { 1 };
            assert!(
                repeated == (first..=6).collect::<Vec<_>>() || (is_killed_in_flight && repeated.is_empty()),
                "killed after {steps} steps: {published:?}, then {repeated:?}"
            );
        }
    }
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
    let abandoned = app.relay(Arc::new(AcknowledgesThree(AtomicUsize::new(0))), "relay");
    let mut run = abandoned.start();
    for _ in 0..4 {
        assert!(run.step().await, "the relay claims, and three events are acknowledged");
    }
    assert!(run.step().now_or_never().is_none(), "the publisher never answers");
    app.timer.advance(PUBLISH_TIMEOUT);
    run.end();
    while run.step().await {}
    app.clock.advance(HOLD);
    let broker = Broker::new(usize::MAX, false);
    assert!(app.drain(&app.relay(broker.clone(), "another")).await);
    assert_eq!(broker.sequences(), [4, 5, 6]);
}

struct Panicking;

#[async_trait]
impl EventPublisher for Panicking {
    async fn publish(&self, _: &Event) -> Result<(), PublishError> {
        panic!("the test's publisher panics")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_publisher_does_not_end_the_relay() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let broker = Broker::new(usize::MAX, false);
    assert!(!app.drain(&app.relay(Arc::new(Panicking), "relay")).await);
    app.clock.advance(HOLD);
    assert!(app.drain(&app.relay(broker.clone(), "relay")).await);
    assert_eq!(broker.sequences(), (1..=6).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_ignores_repeated_events() {
    let app = TestApp::new().await;
    push_six_events(&app).await;
    let claimed = claim(&app, "relay").await;
    for _ in 0..3 {
        for event in claimed.iter().flat_map(|outbox| &outbox.events) {
            app.event_publisher.publish(event).await.unwrap();
        }
    }
    let sequences: Vec<_> = app.events().await.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=6).collect::<Vec<_>>());
}
