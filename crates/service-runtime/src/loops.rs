//! The timers: what happens without a request.

use std::sync::Arc;
use std::time::Duration;

use ports::{Clock, ExpiredRecords, KeySetSource, Outboxes};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use use_cases::{Delivery, RelayOutboxes};

use crate::PrometheusTelemetry;

/// Outboxes claimed in one pass, and delivered at the same time.
const CLAIM_LIMIT: usize = 256;

/// The relay looks for events of other processes so often.
const RELAY_POLL: Duration = Duration::from_millis(500);

/// After a failure the relay waits so long.
const RELAY_BACKOFF: Duration = Duration::from_millis(500);

/// One outbox that cannot be delivered holds the others of its pass up no longer than this.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

const KEYS_EVERY: Duration = Duration::from_secs(1);
const METRICS_EVERY: Duration = Duration::from_secs(5);
const PURGE_EVERY: Duration = Duration::from_mins(1);

/// Rows that one pass of the garbage collection removes: a small write among others.
const PURGE_BATCH: usize = 500;

/// The loops of a process. They go on until [`end`](Self::end), while a stopping process still serves too: what the last
/// requests pushed goes out as well.
#[derive(Default)]
pub struct Loops {
    tasks: JoinSet<()>,
    ending: watch::Sender<bool>,
}

impl Loops {
    /// Carries events out: at once when this process pushed one, and by looking now and then.
    pub fn relay(&mut self, relay: RelayOutboxes, outboxes: Arc<dyn Outboxes>) {
        let mut ending = self.ending.subscribe();
        let relay = Arc::new(relay);
        self.tasks.spawn(async move {
            while !*ending.borrow() {
                let pause = match relay_pass(&relay).await {
                    Pass::Idle => RELAY_POLL,
                    Pass::Delivered => continue,
                    Pass::Failed => RELAY_BACKOFF,
                };
                tokio::select! {
                    () = outboxes.wait_for_event(), if pause == RELAY_POLL => {}
                    () = sleep(pause) => {}
                    _ = ending.wait_for(|ending| *ending) => {}
                }
            }
            // What was pushed by the last requests goes out before the end.
            while matches!(relay_pass(&relay).await, Pass::Delivered) {}
        });
    }

    /// Follows the key set.
    pub fn follow_keys(&mut self, keys: Arc<dyn KeySetSource>) {
        self.every(KEYS_EVERY, move || {
            let keys = keys.clone();
            async move {
                keys.refresh().await;
            }
        });
    }

    /// Removes what expired an hour ago: late enough for any clock, and nothing asks for it.
    pub fn purge_expired(&mut self, garbage: Arc<dyn ExpiredRecords>, clock: Arc<dyn Clock>) {
        let ending = self.ending.subscribe();
        self.every(PURGE_EVERY, move || {
            let (garbage, clock, ending) = (garbage.clone(), clock.clone(), ending.clone());
            async move {
                let before = clock.now().checked_sub(Duration::from_hours(1)).unwrap_or(clock.now());
                while !*ending.borrow()
                    && let Ok(PURGE_BATCH..) = garbage.purge(before, PURGE_BATCH).await
                {}
            }
        });
    }

    /// Keeps the gauges and histograms up to date.
    pub fn measure(&mut self, telemetry: Arc<PrometheusTelemetry>, outboxes: Arc<dyn Outboxes>, clock: Arc<dyn Clock>) {
        self.every(METRICS_EVERY, move || {
            let (telemetry, outboxes, clock) = (telemetry.clone(), outboxes.clone(), clock.clone());
            async move {
                telemetry.fold();
                if let Ok(backlog) = outboxes.backlog().await {
                    let age = backlog
                        .oldest
                        .map_or(0.0, |oldest| clock.now().duration_since(oldest).as_secs_f64());
                    telemetry.set_backlog(&backlog, age.max(0.0));
                }
            }
        });
    }

    fn every<F, Fut>(&mut self, pause: Duration, mut work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let mut ending = self.ending.subscribe();
        self.tasks.spawn(async move {
            while !*ending.borrow() {
                work().await;
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = ending.wait_for(|ending| *ending) => {}
                }
            }
        });
    }

    /// Ends every loop after the step it is in, the relay after one more pass. Call it once nothing is pushed any more.
    pub async fn end(mut self) {
        self.ending.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

enum Pass {
    /// Nothing was to be sent.
    Idle,
    Delivered,
    Failed,
}

async fn relay_pass(relay: &Arc<RelayOutboxes>) -> Pass {
    let claimed = match relay.claim(CLAIM_LIMIT).await {
        Ok(claimed) if claimed.is_empty() => return Pass::Idle,
        Ok(claimed) => claimed,
        Err(failure) => {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "the outboxes cannot be read"
            );
            return Pass::Failed;
        }
    };
    let mut deliveries = JoinSet::new();
    for outbox in claimed {
        let relay = relay.clone();
        deliveries.spawn(async move {
            let mut delivery = Delivery::of(&outbox);
            // What was acknowledged in time counts: a long outbox comes to its end by and by.
            let _ = timeout(DELIVERY_TIMEOUT, relay.send(&outbox, &mut delivery)).await;
            relay.settlement(delivery)
        });
    }
    let mut pass = Pass::Delivered;
    let mut settlements = Vec::with_capacity(deliveries.len());
    while let Some(delivery) = deliveries.join_next().await {
        match delivery {
            Ok(delivery) => {
                if !delivery.is_complete {
                    pass = Pass::Failed;
                }
                settlements.push(delivery.settlement);
            }
            Err(_) => pass = Pass::Failed,
        }
    }
    if let Err(failure) = relay.settle(&settlements).await {
        tracing::warn!(
            error = &failure as &dyn std::error::Error,
            "what was published could not be removed from its outboxes yet"
        );
        pass = Pass::Failed;
    }
    pass
}
