use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::event::Event;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use ports::{Clock, EventPublisher, Lease, Outboxes, Settlement, Timer};

use crate::relay::{Action, Outcome, Pause, Relay};

/// Publishes the events of the outboxes: at least once, in order per aggregate (docs/protocols.md "Relay"). [`Relay`]
/// decides what to do next; this driver does it through the ports.
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
    ports: RelayPorts,
    owner: String,
    lease: Duration,
}

/// The ports of [`RelayOutboxes`].
pub struct RelayPorts {
    pub outboxes: Arc<dyn Outboxes>,
    pub publisher: Arc<dyn EventPublisher>,
    pub clock: Arc<dyn Clock>,
    pub timer: Arc<dyn Timer>,
}

impl RelayOutboxes {
    /// `owner` names this relay among its replicas. A claim ends by itself after `lease`.
    pub fn new(ports: RelayPorts, owner: String, lease: Duration) -> Self {
        Self { ports, owner, lease }
    }

    /// Relays until `ending` is ready, and then until the outboxes are empty or a pass fails.
    pub async fn run(&self, ending: impl Future<Output = ()>) {
        let mut run = self.start();
        let mut ending = pin!(ending);
        while let Either::Right(_) = select(ending.as_mut(), pin!(run.step())).await {}
        run.end();
        while run.step().await {}
    }

    /// Starts a run that the caller drives step by step.
    pub fn start(&self) -> RelayRun<'_> {
        RelayRun {
            driver: self,
            relay: Relay::default(),
            in_flight: FuturesUnordered::new(),
        }
    }

    async fn claim(&self, limit: usize) -> Outcome {
        let lease = Lease {
            owner: self.owner.clone(),
            now: self.ports.clock.now(),
            length: self.lease,
        };
        match self.ports.outboxes.claim(&lease, limit).await {
            Ok(outboxes) => Outcome::Claimed(outboxes),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the outboxes cannot be claimed"
                );
                Outcome::ClaimFailed
            }
        }
    }

    /// Publishes one event. A panic of the publisher counts as a failure, so that it does not end the relay.
    async fn publish(&self, outbox: usize, event: Event, deadline: Instant) -> Outcome {
        let publication = AssertUnwindSafe(self.ports.publisher.publish(&event)).catch_unwind();
        match select(publication, self.ports.timer.sleep_until(deadline)).await {
            Either::Left((Ok(Ok(())), _)) => return Outcome::Acknowledged { outbox },
            Either::Left((Ok(Err(error)), _)) => tracing::warn!(
                event = %event.id.0,
                error = &error as &dyn std::error::Error,
                "an event could not be published; the relay tries again"
            ),
            Either::Left((Err(_), _)) => tracing::warn!(
                event = %event.id.0,
                "the publication of an event panicked; the relay tries again"
            ),
            Either::Right(_) => {}
        }
        let at = self.ports.clock.now();
        Outcome::PublishFailed { outbox, at }
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Outcome {
        match self.ports.outboxes.settle(&self.owner, &settlements).await {
            Ok(()) => Outcome::Settled,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "published events could not be removed from their outboxes; they may be published again"
                );
                Outcome::SettlementFailed
            }
        }
    }

    /// Waits for the end of a pause. Returns true if an event ended it.
    async fn pause(&self, pause: Option<Pause>) -> bool {
        let Some(pause) = pause else {
            return pending().await;
        };
        let sleep = self.ports.timer.sleep_until(pause.until);
        if !pause.ends_on_event {
            sleep.await;
            return false;
        }
        let event = self.ports.outboxes.wait_for_event();
        matches!(select(event, sleep).await, Either::Left(_))
    }
}

/// A run of the relay. When it is dropped, its claims end with their leases.
pub struct RelayRun<'a> {
    driver: &'a RelayOutboxes,
    relay: Relay,
    /// The actions that were started and have not ended.
    in_flight: FuturesUnordered<BoxFuture<'a, Outcome>>,
}

impl RelayRun<'_> {
    /// Starts all actions that are due, and waits until one of them ends or the pause is over. Returns false once the
    /// relay has stopped. May be dropped at any time: the next step continues.
    pub async fn step(&mut self) -> bool {
        let (driver, timer) = (self.driver, &self.driver.ports.timer);
        let pause = loop {
            self.in_flight.push(match self.relay.next_action(timer.now()) {
                Action::Claim { limit } => driver.claim(limit).boxed(),
                Action::Publish {
                    outbox,
                    event,
                    deadline,
                } => driver.publish(outbox, event, deadline).boxed(),
                Action::Settle(settlements) => driver.settle(settlements).boxed(),
                Action::Wait(pause) => break pause,
                Action::Stop => return false,
            });
        };
        let outcome = async {
            match self.in_flight.next().await {
                Some(outcome) => outcome,
                None => pending().await,
            }
        };
        match select(pin!(outcome), pin!(driver.pause(pause))).await {
            Either::Left((outcome, _)) => self.relay.handle(outcome, timer.now()),
            Either::Right((true, _)) => self.relay.event_pushed(),
            Either::Right((false, _)) => {}
        }
        true
    }

    /// Makes the relay stop once it has published the last events.
    pub fn end(&mut self) {
        self.relay.end();
    }
}
