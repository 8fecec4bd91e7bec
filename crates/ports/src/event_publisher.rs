use std::error::Error;

use async_trait::async_trait;
use domain::event::Event;

/// The event was not acknowledged; it may or may not have been stored, and is sent again.
#[derive(Debug, thiserror::Error)]
#[error("the event was not acknowledged")]
pub struct PublishError(#[source] pub Box<dyn Error + Send + Sync>);

/// Where events go: a topic of Kafka, or the embedded log.
///
/// Once it answers, the event is durable. A repeated call may store the event a second time, under the same id and
/// sequence; consumers drop it.
#[async_trait]
pub trait EventPublisher: Send + Sync {
    async fn publish(&self, event: &Event) -> Result<(), PublishError>;
}
