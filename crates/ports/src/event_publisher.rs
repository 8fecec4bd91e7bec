use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;

/// The broker did not acknowledge the event. It may have been stored, so the relay publishes it again.
#[derive(Debug, thiserror::Error)]
#[error("the event was not acknowledged")]
pub struct PublishError(
    /// The error of the broker's client or of the store.
    #[source]
    pub Box<dyn Error + Send + Sync>,
);

/// The destination of events: a topic of Kafka, or the embedded log.
///
/// A repeated call may store the event a second time, under the same id and sequence; consumers drop the duplicate.
#[async_trait]
pub trait EventPublisher: Send + Sync {
    /// Publishes one event and returns once it is durable.
    ///
    /// # Errors
    ///
    /// Returns [`PublishError`] when no acknowledgement arrived; the event may be stored nevertheless.
    async fn publish(&self, event: &Event) -> Result<(), PublishError>;

    /// Sends what it buffers, for at most `within`, and ends. Called once, at the end of a process. A publisher without a
    /// buffer does nothing.
    ///
    /// # Errors
    ///
    /// Returns [`PublishError`] when the time was too short. Events that were not acknowledged are still in their
    /// outboxes.
    async fn close(&self, within: Duration) -> Result<(), PublishError> {
        let _ = within;
        Ok(())
    }
}
