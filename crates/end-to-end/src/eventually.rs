use std::time::{Duration, Instant};

use tokio::time::sleep;

/// The pause between two calls of the condition.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `condition` until it returns a value. Panics with `what` when that takes longer than `within`.
pub async fn eventually<T>(what: &str, within: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < within, "{what}: not within {within:?}");
        sleep(PAUSE).await;
    }
}
