use domain::time::{self, Timestamp};
use ports::Clock;

/// The clock of the operating system, truncated to milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port")]
    fn now(&self) -> Timestamp {
        time::to_millisecond(Timestamp::now())
    }
}
