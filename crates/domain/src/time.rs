//! Time: instants are [`jiff::Timestamp`], durations are [`std::time::Duration`].

use std::time::Duration;

pub use jiff::Timestamp;

/// Returns the instant `duration` after `at`, or the last representable one if that overflows.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// Returns `at` truncated to the millisecond, the precision that every store keeps.
pub fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
