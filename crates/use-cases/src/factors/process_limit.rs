use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::time::{self, Timestamp};

/// The length of a window, which begins with its first message.
const WINDOW: Duration = Duration::from_hours(1);

/// The limit on the messages of this process in an hour. It bounds the cost of an attack that the quotas do not see,
/// such as one by many accounts (docs/protocols.md "Send quotas"). It is in memory: a restart begins a new window.
pub(super) struct ProcessLimit {
    limit: u32,
    window: Mutex<Window>,
}

struct Window {
    used: u32,
    ends_at: Timestamp,
}

/// The limit is reached until this time.
pub(super) struct LimitReached {
    pub(super) until: Timestamp,
}

impl ProcessLimit {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            window: Mutex::new(Window {
                used: 0,
                ends_at: Timestamp::UNIX_EPOCH,
            }),
        }
    }

    /// Returns the decision that [`take`](Self::take) would make now, and counts nothing.
    pub(super) fn peek(&self, now: Timestamp) -> Result<(), LimitReached> {
        self.window_with_room(now).map(drop)
    }

    /// Counts a message if there is room.
    pub(super) fn take(&self, now: Timestamp) -> Result<(), LimitReached> {
        let mut window = self.window_with_room(now)?;
        if window.used == 0 {
            window.ends_at = time::after(now, WINDOW);
        }
        window.used += 1;
        Ok(())
    }

    fn window_with_room(&self, now: Timestamp) -> Result<MutexGuard<'_, Window>, LimitReached> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.ends_at <= now {
            window.used = 0;
        }
        if window.used < self.limit {
            Ok(window)
        } else {
            Err(LimitReached { until: window.ends_at })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: u64) -> Timestamp {
        time::after(Timestamp::UNIX_EPOCH, Duration::from_mins(minute))
    }

    #[test]
    fn a_window_of_an_hour_has_room_for_the_limit() {
        let limit = ProcessLimit::new(2);
        for _ in 0..2 {
            assert!(limit.peek(minute(5)).is_ok() && limit.take(minute(5)).is_ok());
        }
        for now in [minute(5), minute(64)] {
            for decision in [limit.peek(now), limit.take(now)] {
                assert_eq!(decision.map_err(|reached| reached.until), Err(minute(65)));
            }
        }
        assert!(limit.take(minute(65)).is_ok() && limit.take(minute(66)).is_ok());
        assert_eq!(
            limit.take(minute(67)).map_err(|reached| reached.until),
            Err(minute(125))
        );
    }
}
