use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const TICK: Duration = Duration::from_millis(10);

/// Measures how late this process wakes up, because on a busy machine a response waits for its reader.
pub(crate) struct Lag {
    longest: Arc<AtomicU64>,
    ticking: JoinHandle<()>,
}

impl Lag {
    pub(crate) fn start() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let shared = longest.clone();
        let ticking = tokio::spawn(async move {
            loop {
                let slept_at = Instant::now();
                sleep(TICK).await;
                let late = slept_at.elapsed().saturating_sub(TICK);
                shared.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { longest, ticking }
    }

    /// Returns the longest delay since the last call.
    pub(crate) fn take(&self) -> Duration {
        Duration::from_micros(self.longest.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}
