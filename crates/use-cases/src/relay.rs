//! The relay as a state machine without I/O: it returns the next [`Action`], and takes the [`Outcome`] of each.

use std::collections::VecDeque;
use std::time::{Duration, Instant};
use std::{mem, vec};

use domain::event::Event;
use domain::time::{self, Timestamp};
use ports::{PendingOutbox, Settlement};

/// The maximum number of outboxes that are claimed in one pass and published in parallel: docs/protocols.md "Relay".
const CLAIM_LIMIT: usize = 256;

/// The polling interval. An event of this process wakes the relay immediately. The interval therefore delays only
/// events that another process left behind, for example because it was killed.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The pause after a pass with an error. It keeps the relay from retrying in a tight loop during an outage of the store
/// or of Kafka.
const BACKOFF: Duration = Duration::from_millis(500);

/// The time limit for publishing one outbox. It bounds how long an outbox that cannot be published delays its pass.
/// With the default lease of 10 s, at least 5 s remain for the settlement.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for which an outbox is held back after a failed publication. Other outboxes are published in the meantime,
/// and one second is short compared with an outage of the broker.
const HOLD: Duration = Duration::from_secs(1);

/// A step that the caller of [`Relay::next_action`] takes. All but [`Wait`](Self::Wait) and [`Stop`](Self::Stop) are
/// started once and run beside each other; each reports one [`Outcome`] when it ends.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most actions are publications, and each is moved once"
)]
pub enum Action {
    /// Claim up to `limit` outboxes.
    Claim { limit: usize },
    /// Publish an event of the claimed outbox with this index, and give up at the deadline.
    Publish {
        outbox: usize,
        event: Event,
        deadline: Instant,
    },
    /// Settle the claimed outboxes.
    Settle(Vec<Settlement>),
    /// Wait until a started action ends, or for the end of the pause.
    Wait(Option<Pause>),
    /// Stop: the last events of the process are published, or left to another relay after a failure.
    Stop,
}

/// A pause between two passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub until: Instant,
    /// True if an event that this process pushes ends the pause.
    pub ends_on_event: bool,
}

/// The result of an [`Action`].
#[derive(Debug)]
pub enum Outcome {
    Claimed(Vec<PendingOutbox>),
    ClaimFailed,
    /// The event in flight of the claimed outbox with this index was acknowledged.
    Acknowledged {
        outbox: usize,
    },
    /// The event in flight of the claimed outbox with this index was refused, or not acknowledged before its deadline.
    PublishFailed {
        outbox: usize,
        at: Timestamp,
    },
    Settled,
    SettlementFailed,
}

/// The state of a relay (docs/protocols.md "Relay"). It works in passes: claim, publish, settle. A pass starts when this
/// process pushes an event, and at the latest after `POLL_INTERVAL`. While passes publish events, they follow each other
/// without a pause. After [`end`](Self::end), passes continue until one finds no event or fails.
///
/// Within an outbox, an event is published after the one before was acknowledged, and the first failure ends the
/// outbox's part in the pass. A settlement covers only acknowledged events.
#[derive(Debug, Default)]
pub struct Relay {
    state: State,
    is_ending: bool,
    /// The pass began after [`end`](Self::end), so it sees the last events of the process.
    is_draining: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing is claimed. The next pass begins after the pause.
    Idle(Option<Pause>),
    Claiming,
    Publishing(Pass),
    Settling {
        is_complete: bool,
    },
    Stopped,
}

impl Default for State {
    fn default() -> Self {
        Self::Idle(None)
    }
}

#[derive(Clone, Copy)]
enum PassResult {
    /// No outbox had an event to publish.
    Empty,
    /// All claimed events were published and removed.
    Published,
    /// The claim, the settlement or at least one outbox failed.
    Failed,
}

impl Relay {
    /// Returns the next action. Call it until it returns [`Action::Wait`], then again after each outcome and each end
    /// of a pause.
    pub fn next_action(&mut self, now: Instant) -> Action {
        match &mut self.state {
            State::Idle(Some(pause)) if !self.is_ending && now < pause.until => Action::Wait(Some(*pause)),
            State::Idle(_) => {
                self.is_draining = self.is_ending;
                self.state = State::Claiming;
                Action::Claim { limit: CLAIM_LIMIT }
            }
            State::Publishing(pass) => {
                let action = pass.next_action();
                if let Action::Settle(settlements) = &action {
                    let is_complete = settlements.iter().all(|settlement| settlement.held_until.is_none());
                    self.state = State::Settling { is_complete };
                }
                action
            }
            State::Claiming | State::Settling { .. } => Action::Wait(None),
            State::Stopped => Action::Stop,
        }
    }

    /// Takes the outcome of an action that ended at `now`.
    pub fn handle(&mut self, outcome: Outcome, now: Instant) {
        match (outcome, &mut self.state) {
            (Outcome::Claimed(outboxes), State::Claiming) if outboxes.is_empty() => {
                self.end_pass(PassResult::Empty, now);
            }
            (Outcome::Claimed(outboxes), State::Claiming) => {
                self.state = State::Publishing(Pass::new(outboxes, now + PUBLISH_TIMEOUT));
            }
            (Outcome::Acknowledged { outbox }, State::Publishing(pass)) => pass.acknowledge(outbox),
            (Outcome::PublishFailed { outbox, at }, State::Publishing(pass)) => {
                pass.hold(outbox, time::after(at, HOLD));
            }
            (Outcome::Settled, State::Settling { is_complete: true }) => self.end_pass(PassResult::Published, now),
            (Outcome::ClaimFailed, State::Claiming)
            | (Outcome::Settled | Outcome::SettlementFailed, State::Settling { .. }) => {
                self.end_pass(PassResult::Failed, now);
            }
            // The outcome of an action that was not started.
            _ => {}
        }
    }

    /// Ends the pause, unless it follows a failure: a pass for the new event would most likely fail with the same error.
    pub fn event_pushed(&mut self) {
        if let State::Idle(Some(Pause {
            ends_on_event: true, ..
        })) = self.state
        {
            self.state = State::Idle(None);
        }
    }

    /// Makes the relay stop once it has published the last events.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    fn end_pass(&mut self, result: PassResult, now: Instant) {
        let (length, ends_on_event) = match result {
            PassResult::Published => {
                self.state = State::Idle(None);
                return;
            }
            _ if self.is_draining => {
                self.state = State::Stopped;
                return;
            }
            PassResult::Empty => (POLL_INTERVAL, true),
            PassResult::Failed => (BACKOFF, false),
        };
        let until = now + length;
        self.state = State::Idle(Some(Pause { until, ends_on_event }));
    }
}

/// The claimed outboxes, from the claim to the settlement.
#[derive(Debug)]
struct Pass {
    deliveries: Vec<Delivery>,
    /// The deliveries without an event in flight that have not ended, in the order in which they became free.
    free: VecDeque<usize>,
    in_flight: usize,
    deadline: Instant,
}

/// The progress of one claimed outbox.
#[derive(Debug)]
struct Delivery {
    unpublished: vec::IntoIter<Event>,
    /// The sequence of the event that was handed out and not yet acknowledged.
    in_flight: Option<u64>,
    settlement: Settlement,
}

impl Pass {
    fn new(outboxes: Vec<PendingOutbox>, deadline: Instant) -> Self {
        let deliveries: Vec<_> = outboxes.into_iter().map(Delivery::new).collect();
        Self {
            free: (0..deliveries.len()).collect(),
            deliveries,
            in_flight: 0,
            deadline,
        }
    }

    /// Publishes the next event of a free outbox. Settles when all outboxes have ended.
    fn next_action(&mut self) -> Action {
        while let Some(outbox) = self.free.pop_front() {
            let Some(delivery) = self.deliveries.get_mut(outbox) else {
                continue;
            };
            if let Some(event) = delivery.unpublished.next() {
                delivery.in_flight = Some(event.sequence);
                self.in_flight += 1;
                let deadline = self.deadline;
                return Action::Publish {
                    outbox,
                    event,
                    deadline,
                };
            }
        }
        if self.in_flight > 0 {
            return Action::Wait(None);
        }
        let deliveries = mem::take(&mut self.deliveries).into_iter();
        Action::Settle(deliveries.map(|delivery| delivery.settlement).collect())
    }

    fn acknowledge(&mut self, outbox: usize) {
        if let Some((delivery, sequence)) = self.take_in_flight(outbox) {
            delivery.settlement.published = Some(sequence);
            self.free.push_back(outbox);
        }
    }

    fn hold(&mut self, outbox: usize, until: Timestamp) {
        if let Some((delivery, _)) = self.take_in_flight(outbox) {
            delivery.settlement.held_until = Some(until);
        }
    }

    /// Returns the delivery and the sequence of its event in flight, if it has one.
    fn take_in_flight(&mut self, outbox: usize) -> Option<(&mut Delivery, u64)> {
        let delivery = self.deliveries.get_mut(outbox)?;
        let sequence = delivery.in_flight.take()?;
        self.in_flight -= 1;
        Some((delivery, sequence))
    }
}

impl Delivery {
    fn new(outbox: PendingOutbox) -> Self {
        Self {
            unpublished: outbox.events.into_iter(),
            in_flight: None,
            settlement: Settlement {
                aggregate: outbox.aggregate,
                key: outbox.key,
                published: None,
                held_until: None,
            },
        }
    }
}
