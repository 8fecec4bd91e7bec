//! The state machine of the relay: its transitions, and its rules under any order of outcomes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::actor::Actor;
use domain::credential_lock::CredentialLock;
use domain::credential_lock::events::CREDENTIAL_LOCKED;
use domain::event::{Event, EventContext, NewEvent};
use domain::ids::{EventId, UserId};
use domain::time::{self, Timestamp};
use ports::{PendingOutbox, Settlement, Versioned as _};
use proptest::prelude::*;
use use_cases::relay::{Action, Outcome, Pause, Relay};

const HALF_SECOND: Duration = Duration::from_millis(500);

/// Returns an outbox with the events from `first` on.
fn outbox(key: &str, first: u64, events: u64) -> PendingOutbox {
    let event = |sequence| {
        let new = NewEvent {
            context: EventContext {
                id: EventId(format!("{key}/{sequence}")),
                time: Timestamp::UNIX_EPOCH,
                by: Actor::default(),
                correlation_id: None,
            },
            kind: CREDENTIAL_LOCKED,
            data: Vec::new(),
        };
        new.into_event(key, UserId::parse(key).unwrap(), sequence)
    };
    PendingOutbox {
        aggregate: CredentialLock::AGGREGATE,
        key: key.to_owned(),
        events: (first..first + events).map(event).collect(),
    }
}

fn settlement(key: &str, published: Option<u64>, held_until: Option<Timestamp>) -> Settlement {
    Settlement {
        aggregate: CredentialLock::AGGREGATE,
        key: key.to_owned(),
        published,
        held_until,
    }
}

/// A relay at an instant that only the test moves.
struct TestRelay {
    relay: Relay,
    now: Instant,
}

impl TestRelay {
    fn new() -> Self {
        Self {
            relay: Relay::default(),
            now: Instant::now(),
        }
    }

    fn next(&mut self) -> Action {
        self.relay.next_action(self.now)
    }

    fn handle(&mut self, outcome: Outcome) {
        self.relay.handle(outcome, self.now);
    }

    #[track_caller]
    fn assert_claims(&mut self) {
        let action = self.next();
        assert!(matches!(action, Action::Claim { limit: 256 }), "{action:?}");
        self.assert_waits(None);
    }

    #[track_caller]
    fn claim(&mut self, outboxes: Vec<PendingOutbox>) {
        self.assert_claims();
        self.handle(Outcome::Claimed(outboxes));
    }

    #[track_caller]
    fn assert_publishes(&mut self, index: usize, id: &str) {
        match self.next() {
            Action::Publish { outbox, event, .. } => assert_eq!((outbox, &*event.id.0), (index, id)),
            action => panic!("{action:?}"),
        }
    }

    #[track_caller]
    fn assert_settles(&mut self, expected: &[Settlement]) {
        match self.next() {
            Action::Settle(settlements) => assert_eq!(settlements, expected),
            action => panic!("{action:?}"),
        }
        self.assert_waits(None);
    }

    #[track_caller]
    fn assert_waits(&mut self, expected: Option<Pause>) {
        match self.next() {
            Action::Wait(pause) => assert_eq!(pause, expected),
            action => panic!("{action:?}"),
        }
    }

    #[track_caller]
    fn assert_stops(&mut self) {
        let action = self.next();
        assert!(matches!(action, Action::Stop), "{action:?}");
    }

    /// Asserts that the relay pauses for half a second, and then claims.
    #[track_caller]
    fn assert_pauses(&mut self, ends_on_event: bool) {
        let until = self.now + HALF_SECOND;
        self.assert_waits(Some(Pause { until, ends_on_event }));
        self.now = until - Duration::from_nanos(1);
        self.assert_waits(Some(Pause { until, ends_on_event }));
        self.now = until;
        self.assert_claims();
    }

    /// Fails the first event of a claimed outbox, and settles.
    #[track_caller]
    fn fail_a_pass(&mut self) {
        self.claim(vec![outbox("a", 1, 1)]);
        self.assert_publishes(0, "a/1");
        let at = Timestamp::UNIX_EPOCH;
        self.handle(Outcome::PublishFailed { outbox: 0, at });
        self.assert_settles(&[settlement("a", None, Some(time::after(at, Duration::from_secs(1))))]);
        self.handle(Outcome::Settled);
    }
}

#[test]
fn publishes_in_order_and_settles_once() {
    let mut relay = TestRelay::new();
    relay.claim(vec![outbox("a", 7, 2), outbox("b", 1, 1), outbox("empty", 1, 0)]);
    relay.assert_publishes(0, "a/7");
    relay.assert_publishes(1, "b/1");
    relay.assert_waits(None);
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.assert_publishes(0, "a/8");
    relay.assert_waits(None);
    relay.handle(Outcome::Acknowledged { outbox: 1 });
    relay.assert_waits(None);
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.assert_settles(&[
        settlement("a", Some(8), None),
        settlement("b", Some(1), None),
        settlement("empty", None, None),
    ]);
    relay.handle(Outcome::Settled);
    relay.assert_claims();
}

#[test]
fn a_failure_holds_one_outbox_and_keeps_what_was_acknowledged() {
    let mut relay = TestRelay::new();
    relay.claim(vec![outbox("a", 1, 3), outbox("b", 1, 1)]);
    relay.assert_publishes(0, "a/1");
    relay.assert_publishes(1, "b/1");
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.assert_publishes(0, "a/2");
    let at = Timestamp::UNIX_EPOCH;
    relay.handle(Outcome::PublishFailed { outbox: 0, at });
    relay.assert_waits(None);
    relay.handle(Outcome::Acknowledged { outbox: 1 });
    let held_until = time::after(at, Duration::from_secs(1));
    relay.assert_settles(&[
        settlement("a", Some(1), Some(held_until)),
        settlement("b", Some(1), None),
    ]);
    relay.handle(Outcome::Settled);
    relay.assert_pauses(false);
}

#[test]
fn all_events_of_a_pass_have_its_deadline() {
    let mut relay = TestRelay::new();
    let claimed_at = relay.now;
    relay.claim(vec![outbox("a", 1, 2)]);
    for _ in 0..2 {
        match relay.next() {
            Action::Publish { deadline, .. } => assert_eq!(deadline, claimed_at + Duration::from_secs(5)),
            action => panic!("{action:?}"),
        }
        relay.now += Duration::from_secs(2);
        relay.handle(Outcome::Acknowledged { outbox: 0 });
    }
}

#[test]
fn a_pass_without_events_pauses_until_the_next_event() {
    let mut relay = TestRelay::new();
    relay.claim(Vec::new());
    relay.assert_pauses(true);
    relay.handle(Outcome::Claimed(Vec::new()));
    relay.relay.event_pushed();
    relay.assert_claims();
}

#[test]
fn a_failed_pass_pauses_even_if_events_are_pushed() {
    let mut relay = TestRelay::new();
    relay.assert_claims();
    relay.handle(Outcome::ClaimFailed);
    relay.relay.event_pushed();
    relay.assert_pauses(false);
    relay.handle(Outcome::Claimed(vec![outbox("a", 1, 1)]));
    relay.assert_publishes(0, "a/1");
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.assert_settles(&[settlement("a", Some(1), None)]);
    relay.handle(Outcome::SettlementFailed);
    relay.relay.event_pushed();
    relay.assert_pauses(false);
}

#[test]
fn an_ending_relay_stops_after_a_pass_without_events() {
    let mut relay = TestRelay::new();
    relay.claim(Vec::new());
    relay.relay.end();
    relay.claim(vec![outbox("a", 1, 1)]);
    relay.assert_publishes(0, "a/1");
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.assert_settles(&[settlement("a", Some(1), None)]);
    relay.handle(Outcome::Settled);
    relay.claim(Vec::new());
    relay.assert_stops();
}

/// A pass that began before the end may have missed the last events.
#[test]
fn an_ending_relay_begins_at_least_one_more_pass() {
    let mut relay = TestRelay::new();
    relay.assert_claims();
    relay.relay.end();
    relay.handle(Outcome::Claimed(Vec::new()));
    relay.assert_claims();
    relay.handle(Outcome::Claimed(Vec::new()));
    relay.assert_stops();
}

#[test]
fn an_ending_relay_stops_after_a_failed_pass() {
    let mut relay = TestRelay::new();
    relay.fail_a_pass();
    relay.relay.end();
    relay.fail_a_pass();
    relay.assert_stops();
    relay.relay.event_pushed();
    relay.assert_stops();
}

#[test]
fn outcomes_of_actions_that_were_not_started_change_nothing() {
    let mut relay = TestRelay::new();
    relay.handle(Outcome::Claimed(vec![outbox("a", 1, 1)]));
    relay.handle(Outcome::Settled);
    relay.claim(vec![outbox("a", 1, 2)]);
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.assert_publishes(0, "a/1");
    relay.handle(Outcome::Settled);
    relay.handle(Outcome::Acknowledged { outbox: 1 });
    relay.assert_waits(None);
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.handle(Outcome::Acknowledged { outbox: 0 });
    relay.assert_publishes(0, "a/2");
}

/// A claimed outbox.
struct Claimed {
    key: String,
    /// The sequence to publish next.
    next: u64,
    last: u64,
    acknowledged: Option<u64>,
    is_in_flight: bool,
    has_failed: bool,
}

/// The store and the broker. A decision chooses which action in flight ends, and how.
#[derive(Default)]
struct Model {
    /// The outboxes in the store: the number of their events that were removed and that are left.
    stored: BTreeMap<String, (u64, u64)>,
    claimed: Vec<Claimed>,
    is_claiming: bool,
    is_settling: Option<Vec<Settlement>>,
}

impl Model {
    /// Checks an action against the rules.
    fn start(&mut self, action: Action) {
        match action {
            Action::Claim { .. } => {
                assert!(self.claimed.is_empty() && !self.is_claiming, "all claims are settled");
                self.is_claiming = true;
            }
            Action::Publish { outbox, event, .. } => self.publish(outbox, &event),
            Action::Settle(settlements) => {
                assert!(self.is_settling.is_none());
                let mut covered: Vec<_> = settlements.iter().map(|settlement| &settlement.key).collect();
                covered.sort();
                covered.dedup();
                assert_eq!(
                    covered.len(),
                    self.claimed.len(),
                    "every claimed outbox is settled once"
                );
                for settlement in &settlements {
                    let claimed = self.claimed.iter().find(|claimed| claimed.key == settlement.key);
                    let claimed = claimed.unwrap();
                    assert!(claimed.has_failed || claimed.next > claimed.last);
                    assert!(!claimed.is_in_flight);
                    assert_eq!(settlement.published, claimed.acknowledged);
                    assert_eq!(settlement.held_until.is_some(), claimed.has_failed);
                }
                self.is_settling = Some(settlements);
            }
            Action::Wait(_) | Action::Stop => panic!("{action:?} is not started"),
        }
    }

    fn publish(&mut self, outbox: usize, event: &Event) {
        let claimed = &mut self.claimed[outbox];
        assert_eq!(claimed.key, event.subject);
        assert_eq!(event.sequence, claimed.next, "the event before was acknowledged");
        assert!(!claimed.is_in_flight && !claimed.has_failed);
        claimed.is_in_flight = true;
    }

    /// Ends an action in flight. Returns `None` if none is.
    fn end_action(&mut self, chosen: usize, is_success: bool) -> Option<Outcome> {
        if self.is_claiming {
            self.is_claiming = false;
            return Some(if is_success { self.claim() } else { Outcome::ClaimFailed });
        }
        if let Some(settlements) = self.is_settling.take() {
            self.claimed.clear();
            return Some(if is_success {
                self.settle(settlements)
            } else {
                Outcome::SettlementFailed
            });
        }
        let mut in_flight: Vec<_> = self.claimed.iter_mut().enumerate().collect();
        in_flight.retain(|(_, claimed)| claimed.is_in_flight);
        let index = chosen % in_flight.len().max(1);
        let (outbox, claimed) = in_flight.into_iter().nth(index)?;
        claimed.is_in_flight = false;
        if is_success {
            claimed.acknowledged = Some(claimed.next);
            claimed.next += 1;
            return Some(Outcome::Acknowledged { outbox });
        }
        claimed.has_failed = true;
        let at = Timestamp::UNIX_EPOCH;
        Some(Outcome::PublishFailed { outbox, at })
    }

    fn claim(&mut self) -> Outcome {
        let pending = self.stored.iter().filter(|(_, (_, left))| *left > 0);
        let claimed: Vec<_> = pending
            .map(|(key, (removed, left))| outbox(key, removed + 1, *left))
            .collect();
        self.claimed = claimed
            .iter()
            .map(|outbox| Claimed {
                key: outbox.key.clone(),
                next: outbox.events[0].sequence,
                last: outbox.events.last().unwrap().sequence,
                acknowledged: None,
                is_in_flight: false,
                has_failed: false,
            })
            .collect();
        Outcome::Claimed(claimed)
    }

    fn settle(&mut self, settlements: Vec<Settlement>) -> Outcome {
        for settlement in settlements {
            let (removed, left) = self.stored.get_mut(&settlement.key).unwrap();
            let published = settlement.published.unwrap_or(*removed);
            *left -= published - *removed;
            *removed = published;
        }
        Outcome::Settled
    }
}

proptest! {
    /// Any order of acknowledgements and failures. Afterwards, a relay without failures publishes everything that is left.
    #[test]
    fn settles_only_what_was_acknowledged_in_order(
        events in prop::collection::vec(0u64..4, 1..5),
        decisions in prop::collection::vec((any::<usize>(), prop::bool::weighted(0.8)), 0..60),
    ) {
        let mut relay = TestRelay::new();
        let mut model = Model::default();
        for (index, events) in events.iter().enumerate() {
            model.stored.insert(format!("user-{index}"), (0, *events));
        }
        for (chosen, is_success) in decisions.into_iter().chain([(0, true); 60]) {
            let pause = loop {
                match relay.next() {
                    Action::Wait(pause) => break pause,
                    action => model.start(action),
                }
            };
            match model.end_action(chosen, is_success) {
                Some(outcome) => relay.handle(outcome),
                None => relay.now = pause.expect("the relay waits for something").until,
            }
        }
        let left: u64 = model.stored.values().map(|(_, left)| left).sum();
        prop_assert_eq!(left, 0);
    }
}
