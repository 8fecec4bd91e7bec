use domain::time::Timestamp;

/// The time. Synchronous; never goes back by more than the machine's clock does.
pub trait Clock: Send + Sync {
    /// Now, in UTC, to the millisecond.
    fn now(&self) -> Timestamp;
}
