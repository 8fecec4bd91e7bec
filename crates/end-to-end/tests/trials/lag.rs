use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const TICK: Duration = Duration::from_millis(10);

/// How late this process itself wakes up: on a busy machine an answer waits for its reader.
pub(crate) struct Lag {
    longest: Arc<AtomicU64>,
    ticking: JoinHandle<()>,
}

impl Lag {
    pub(crate) fn begin() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let seen = longest.clone();
        let ticking = tokio::spawn(async move {
            loop {
                let slept_at = Instant::now();
                sleep(TICK).await;
                let late = slept_at.elapsed().saturating_sub(TICK);
                seen.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { longest, ticking }
    }

    /// The longest since it was last asked for.
    pub(crate) fn take(&self) -> Duration {
        Duration::from_micros(self.longest.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}
