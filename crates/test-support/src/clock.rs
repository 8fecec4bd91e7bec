use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::time::Timestamp;
use ports::{Clock, Timer};
use tokio::sync::watch;

/// A clock that moves only when a test moves it. It counts milliseconds.
pub struct SettableClock(AtomicI64);

impl SettableClock {
    pub fn starting_at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_millisecond()))
    }

    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_millisecond(), Ordering::SeqCst);
    }

    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).expect("a time that exists");
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).expect("a time that exists")
    }
}

/// A timer that moves only when a test moves it.
pub struct SettableTimer(watch::Sender<Instant>);

impl Default for SettableTimer {
    fn default() -> Self {
        Self(watch::Sender::new(Instant::now()))
    }
}

impl SettableTimer {
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Timer for SettableTimer {
    fn now(&self) -> Instant {
        *self.0.borrow()
    }

    async fn sleep_until(&self, deadline: Instant) {
        let _ = self.0.subscribe().wait_for(|now| *now >= deadline).await;
    }
}
