use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Looks are so far apart.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something, and panics with `what` when there is nothing `within` this time.
pub async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < within, "{what}: not within {within:?}");
        sleep(PAUSE).await;
    }
}
