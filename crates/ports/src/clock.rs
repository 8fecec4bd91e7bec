use std::time::Instant;

use async_trait::async_trait;
use domain::time::Timestamp;

/// The source of the present time. Synchronous. It goes back only when the machine's clock does.
///
/// A test implements it with a time of its own:
///
/// ```
/// use std::sync::Mutex;
/// use std::time::Duration;
///
/// use domain::time::{self, Timestamp};
/// use ports::Clock;
///
/// struct ManualClock(Mutex<Timestamp>);
///
/// impl Clock for ManualClock {
///     fn now(&self) -> Timestamp {
///         *self.0.lock().unwrap()
///     }
/// }
///
/// let clock = ManualClock(Mutex::new(Timestamp::UNIX_EPOCH));
/// *clock.0.lock().unwrap() = time::after(clock.now(), Duration::from_secs(30));
/// assert_eq!(clock.now().as_second(), 30);
/// ```
pub trait Clock: Send + Sync {
    /// Returns the present time in UTC, truncated to the millisecond.
    fn now(&self) -> Timestamp;
}

/// Time limits and pauses. Unlike a [`Clock`], it does not change when the machine's clock is set.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Instant;

    /// Waits until the deadline. The future may be dropped at any time.
    async fn sleep_until(&self, deadline: Instant);
}
