//! Time: instants are [`jiff::Timestamp`], durations are [`std::time::Duration`].

use std::time::Duration;

pub use jiff::Timestamp;

/// Returns the instant `duration` after `at`, or the last representable one if that overflows.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// Returns whether less than `grace` has passed from `start` to `now`. `now` may be before `start`: B reads its clock, A
/// writes `start`, B reads it. Such a `now` is inside any grace time except zero.
pub fn is_within(grace: Duration, start: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(start)).unwrap_or(Duration::ZERO) < grace
}

/// Returns `at` truncated to the millisecond, the precision that every store keeps.
pub fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
