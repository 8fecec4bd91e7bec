use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;
use ports::{EventPublisher, PublishError};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::client_log::ClientLog;
use crate::error::{CloseError, OpenError, ProduceError, TopicsError};
use crate::event_message::EventMessage;
use crate::settings::KafkaSettings;
use crate::topics;

pub(crate) type Producer = FutureProducer<ClientLog>;

/// Memory for events that wait for their acknowledgement, in KiB.
const MEMORY: &str = "16384";

/// How long an event waits for room in that memory, and how often it looks.
const ROOM_WITHIN: Duration = Duration::from_secs(5);
const ROOM_EVERY: Duration = Duration::from_millis(20);

/// Publishes events to Kafka: `publish` answers when every in-sync replica has the event.
///
/// Delivery is at least once: an event whose publishing failed may have been stored, and the relay sends it again under
/// the same id and sequence. Many aggregates share one producer; the order within an aggregate is kept by publishing
/// each of its events only after the one before was acknowledged.
pub struct KafkaEventPublisher {
    config: ClientConfig,
    /// `None` once it is closed.
    producer: RwLock<Option<Producer>>,
}

impl KafkaEventPublisher {
    /// Makes the producer. It connects in the background, so brokers that are away are no failure.
    pub fn open(settings: &KafkaSettings) -> Result<Self, OpenError> {
        Self::over(producer_config(settings)?)
    }

    fn over(config: ClientConfig) -> Result<Self, OpenError> {
        let producer = RwLock::new(Some(producer(&config)?));
        Ok(Self { config, producer })
    }

    /// Makes every topic that is not there yet, within five seconds. Those that are there stay as they are.
    pub async fn create_topics(&self, partitions: i32, replication: i32) -> Result<(), TopicsError> {
        topics::create(&self.config, partitions, replication).await
    }

    /// Looks for every topic, within five seconds. [`TopicsError::BrokerAway`] says nothing about them.
    pub async fn check_topics(&self) -> Result<(), TopicsError> {
        let producer = self.slot().clone().ok_or(TopicsError::Closed)?;
        let checking = spawn_blocking(move || topics::check(&producer));
        checking.await.map_err(|error| TopicsError::Refused(Box::new(error)))?
    }

    /// Waits up to `within` for the acknowledgements of what is being published, then lets the connections go. From now
    /// on publishing fails. Whoever drops a publisher without this gives up what is being published, and blocks.
    pub async fn close(&self, within: Duration) -> Result<(), CloseError> {
        let Some(producer) = self.slot_mut().take() else {
            return Ok(());
        };
        let closing = spawn_blocking(move || producer.flush(within));
        let flushed = closing.await.map_err(|error| CloseError(Box::new(error)))?;
        flushed.map_err(|error| CloseError(Box::new(error)))
    }

    fn slot(&self) -> RwLockReadGuard<'_, Option<Producer>> {
        self.producer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot_mut(&self) -> RwLockWriteGuard<'_, Option<Producer>> {
        self.producer.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn acknowledged(&self, message: &EventMessage) -> Result<(), ProduceError> {
        let delivery = timeout(ROOM_WITHIN, self.queued(message))
            .await
            .map_err(|_| ProduceError::QueueFull)??;
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(error.into()),
            Err(_) => Err(ProduceError::Closed),
        }
    }

    /// Queues the message as soon as there is room.
    async fn queued(&self, message: &EventMessage) -> Result<DeliveryFuture, ProduceError> {
        loop {
            match self.queued_now(message)? {
                Some(delivery) => return Ok(delivery),
                None => sleep(ROOM_EVERY).await,
            }
        }
    }

    /// Queues the message; `None` when there is no room.
    fn queued_now(&self, message: &EventMessage) -> Result<Option<DeliveryFuture>, ProduceError> {
        let record = FutureRecord::to(message.topic.name())
            .key(&message.key)
            .headers(message.owned_headers())
            .payload(&message.value);
        let slot = self.slot();
        let producer = slot.as_ref().ok_or(ProduceError::Closed)?;
        match producer.send_result(record) {
            Ok(delivery) => Ok(Some(delivery)),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(None),
            Err((error, _)) => Err(error.into()),
        }
    }

    /// An idempotent producer that no longer knows what the brokers have stops for good. Another takes its place, at
    /// the price of duplicates.
    fn replace_if_fatal(&self) {
        let mut slot = self.slot_mut();
        let Some((code, reason)) = slot.as_ref().and_then(|producer| producer.client().fatal_error()) else {
            return;
        };
        match producer(&self.config) {
            Ok(fresh) => {
                tracing::warn!(%code, "the producer is replaced: {reason}");
                let old = slot.replace(fresh);
                // It waits for its threads.
                spawn_blocking(move || drop(old));
            }
            Err(failure) => tracing::error!(
                error = &failure as &dyn std::error::Error,
                "the producer cannot be replaced"
            ),
        }
    }
}

#[async_trait]
impl EventPublisher for KafkaEventPublisher {
    async fn publish(&self, event: &Event) -> Result<(), PublishError> {
        let published = self.acknowledged(&EventMessage::from(event)).await;
        published.map_err(|failure| {
            self.replace_if_fatal();
            PublishError(Box::new(failure))
        })
    }
}

fn producer_config(settings: &KafkaSettings) -> Result<ClientConfig, OpenError> {
    let mut config = settings.client_config()?;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", settings.message_timeout.as_millis().to_string())
        .set("linger.ms", "5")
        .set("queue.buffering.max.kbytes", MEMORY)
        .set("compression.type", "none");
    Ok(config)
}

fn producer(config: &ClientConfig) -> Result<Producer, OpenError> {
    Ok(config.create_with_context(ClientLog::default())?)
}

#[cfg(test)]
mod tests;
