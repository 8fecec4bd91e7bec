use std::error::Error;

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
}
