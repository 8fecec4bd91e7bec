//! Instants are [`jiff::Timestamp`]; durations are [`std::time::Duration`].

use std::time::Duration;

pub use jiff::Timestamp;

/// The instant `duration` after `at`, or the last representable one.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// `at` without its part below a millisecond: the precision every store keeps.
pub fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
