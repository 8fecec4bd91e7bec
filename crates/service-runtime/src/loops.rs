//! The background loops of a process: relay, key refresh, purge and metrics.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use ports::{Clock, EventLog, ExpiredRecords, KeySetSource, Outboxes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use use_cases::{EraseRemovedUsers, RelayOutboxes};

use crate::PrometheusTelemetry;

/// The interval at which a key directory is read. `keys retire` sets `retired_at` 5 s in the future, and every process has
/// to read the change before that time.
const KEY_REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// The interval at which histograms are drained; samples accumulate in memory until then. Five seconds is the default of
/// the exporter's own upkeep task, and shorter than usual scrape intervals.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);

/// The interval of the purge. Expired records are harmless, so the purge only has to keep up with their number.
const PURGE_INTERVAL: Duration = Duration::from_mins(1);

/// The maximum number of rows that one step of the purge removes. A write of this size does not noticeably delay a
/// request.
const PURGE_BATCH: usize = 500;

/// The time between the expiry of a record and its purge. It exceeds any difference between clocks: docs/protocols.md
/// "Expiry and purge".
const PURGE_DELAY: Duration = Duration::from_hours(1);

/// The interval of the erasure of removed users. An operator who registers a removed id again waits for it. A pass
/// without removed users is one read by an index.
const ERASURE_INTERVAL: Duration = Duration::from_secs(1);

/// The relay of events from the outboxes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "relay")]
pub struct RelaySettings {
    /// Time after which another process takes over the outbox of a relay that crashed. At least `1s`.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    pub lease: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
        }
    }
}

/// The background loops of a process. They run until [`end`](Self::end), even while a stopping process still serves, so
/// that the events of the last requests are published too.
#[derive(Default)]
pub struct Loops {
    tasks: JoinSet<()>,
    ending: watch::Sender<bool>,
}

impl Loops {
    /// Runs the relay (docs/protocols.md "Relay") until [`end`](Self::end), and then until the outboxes are empty or a
    /// pass fails.
    pub fn relay(&mut self, relay: RelayOutboxes) {
        let mut ending = self.ending.subscribe();
        self.tasks.spawn(async move {
            let ending = async move {
                let _ = ending.wait_for(|ending| *ending).await;
            };
            relay.run(ending).await;
        });
    }

    /// Refreshes the key set every second. A source with a longer interval of its own ignores the calls in between.
    pub fn refresh_keys(&mut self, keys: Arc<dyn KeySetSource>) {
        self.every(KEY_REFRESH_INTERVAL, move || {
            let keys = keys.clone();
            async move {
                keys.refresh().await;
            }
        });
    }

    /// Removes records that expired at least an hour ago, in steps of `PURGE_BATCH` rows until a step removes fewer.
    /// After an error, the purge continues at the next interval.
    pub fn purge_expired(&mut self, records: Arc<dyn ExpiredRecords>, clock: Arc<dyn Clock>) {
        let ending = self.ending.subscribe();
        self.every(PURGE_INTERVAL, move || {
            let (records, clock, ending) = (records.clone(), clock.clone(), ending.clone());
            async move {
                let before = clock.now().checked_sub(PURGE_DELAY).unwrap_or(clock.now());
                while !*ending.borrow() {
                    let purged = records.purge(before, PURGE_BATCH).await;
                    let has_more = purged.is_ok_and(|count| count >= PURGE_BATCH);
                    if !has_more {
                        break;
                    }
                }
            }
        });
    }

    /// Erases what is stored of removed users, every second. After an error, it continues at the next interval.
    pub fn erase_removed_users(&mut self, erase: EraseRemovedUsers) {
        self.every(ERASURE_INTERVAL, move || {
            let erase = erase.clone();
            async move {
                if let Err(error) = erase.run().await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "removed users cannot be read");
                }
            }
        });
    }

    /// Removes events that are older than `retention` from the log, in steps of `PURGE_BATCH` rows.
    pub fn remove_old_events(&mut self, log: Arc<dyn EventLog>, retention: Duration, clock: Arc<dyn Clock>) {
        let ending = self.ending.subscribe();
        self.every(PURGE_INTERVAL, move || {
            let (log, clock, ending) = (log.clone(), clock.clone(), ending.clone());
            async move {
                // A retention that reaches before the first representable time keeps everything.
                let Ok(before) = clock.now().checked_sub(retention) else {
                    return;
                };
                while !*ending.borrow() {
                    let removed = log.remove(before, PURGE_BATCH).await;
                    if !removed.is_ok_and(|count| count >= PURGE_BATCH) {
                        break;
                    }
                }
            }
        });
    }

    /// Drains the samples of the histograms and updates the gauges of the outboxes. While the store does not answer,
    /// the gauges keep their values.
    pub fn collect_metrics(
        &mut self,
        telemetry: Arc<PrometheusTelemetry>,
        outboxes: Arc<dyn Outboxes>,
        clock: Arc<dyn Clock>,
    ) {
        self.every(METRICS_INTERVAL, move || {
            let (telemetry, outboxes, clock) = (telemetry.clone(), outboxes.clone(), clock.clone());
            async move {
                telemetry.drain_histograms();
                if let Ok(backlog) = outboxes.backlog().await {
                    let age = backlog
                        .oldest
                        .map_or(0.0, |oldest| clock.now().duration_since(oldest).as_secs_f64());
                    telemetry.set_backlog(&backlog, age.max(0.0));
                }
            }
        });
    }

    /// Runs `work` immediately, and then again and again with `pause` between two runs.
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

    /// Ends every loop after its current step. The relay continues until its outboxes are empty or a pass fails. Call
    /// this method after the last event was pushed: later events wait for another process. The relay may take long, so
    /// callers set a time limit.
    pub async fn end(mut self) {
        self.ending.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use domain::event::Event;
    use domain::time::Timestamp;
    use ports::{Cursor, EventLogError, LoggedEvent};
    use ports::{EventPublisher, Lease, OutboxBacklog, PendingOutbox, PublishError, Settlement, StoreError};
    use tokio::time::Instant;
    use use_cases::RelayPorts;

    use super::*;
    use crate::{SystemClock, TokioTimer};

    /// Outboxes of a store that does not answer, in a process that pushes events continuously.
    #[derive(Default)]
    struct UnreachableOutboxes {
        claims: AtomicUsize,
    }

    #[async_trait]
    impl Outboxes for UnreachableOutboxes {
        async fn claim(&self, _: &Lease, _: usize) -> Result<Vec<PendingOutbox>, StoreError> {
            let claims = self.claims.fetch_add(1, Ordering::SeqCst);
            assert!(claims < 100, "the relay retries in a tight loop");
            Err(StoreError::Unavailable("no answer".into()))
        }

        async fn settle(&self, _: &str, _: &[Settlement]) -> Result<(), StoreError> {
            Ok(())
        }

        async fn wait_for_event(&self) {}

        async fn backlog(&self) -> Result<OutboxBacklog, StoreError> {
            Ok(OutboxBacklog::default())
        }
    }

    struct NullPublisher;

    #[async_trait]
    impl EventPublisher for NullPublisher {
        async fn publish(&self, _: &Event) -> Result<(), PublishError> {
            Ok(())
        }
    }

    /// A log with more old events than one step removes.
    struct LongLog {
        left: AtomicUsize,
        before: Mutex<Option<Timestamp>>,
    }

    #[async_trait]
    impl EventLog for LongLog {
        async fn read(&self, _: Option<Cursor>, _: usize) -> Result<Vec<LoggedEvent>, EventLogError> {
            Ok(Vec::new())
        }

        async fn remove(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
            *self.before.lock().unwrap() = Some(before);
            let left = self.left.load(Ordering::SeqCst);
            self.left.store(left.saturating_sub(limit), Ordering::SeqCst);
            Ok(left.min(limit))
        }

        async fn wait_after(&self, _: Cursor) {}
    }

    #[tokio::test(start_paused = true)]
    async fn all_events_past_the_retention_are_removed() {
        let log = Arc::new(LongLog {
            left: AtomicUsize::new(3 * PURGE_BATCH + 1),
            before: Mutex::default(),
        });
        let retention = Duration::from_hours(1);
        let mut loops = Loops::default();
        loops.remove_old_events(log.clone(), retention, Arc::new(SystemClock));
        sleep(Duration::from_millis(1)).await;
        assert_eq!(log.left.load(Ordering::SeqCst), 0);
        let before = log.before.lock().unwrap().unwrap();
        assert!(before <= SystemClock.now().checked_sub(retention).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn new_events_do_not_shorten_the_backoff() {
        let outboxes = Arc::new(UnreachableOutboxes::default());
        let ports = RelayPorts {
            outboxes: outboxes.clone(),
            publisher: Arc::new(NullPublisher),
            clock: Arc::new(SystemClock),
            timer: Arc::new(TokioTimer),
        };
        let relay = RelayOutboxes::new(ports, "relay".to_owned(), Duration::from_secs(10));
        let start = Instant::now();
        let mut loops = Loops::default();
        loops.relay(relay);
        sleep(Duration::from_millis(5_001)).await;
        assert_eq!(outboxes.claims.load(Ordering::SeqCst), 11, "in {:?}", start.elapsed());
    }
}
