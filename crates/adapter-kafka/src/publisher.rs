use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use domain::event::Event;
use ports::{EventPublisher, PublishError};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::client_log::{ClientLog, Producer};
use crate::error::{CloseError, OpenError, ProduceError, TopicsError};
use crate::event_message::EventMessage;
use crate::settings::KafkaSettings;
use crate::topics;

/// The maximum size of the producer's queue, in KiB (16 MiB), so that events cannot fill the memory while no broker is
/// reachable. An event takes about 1 KiB, and a relay sends at most 256 events in parallel, so the queue is rarely
/// full.
const QUEUE_KIB: &str = "16384";

/// The time limit for an event to get room in the queue. It is also the time that the relay spends on one outbox.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// The time between two attempts to queue an event. librdkafka does not signal when there is room.
const QUEUE_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Publishes events to Kafka: `publish` returns once every in-sync replica has the event.
///
/// Delivery is at least once. Many aggregates share one producer. The order within an aggregate is kept, because the
/// relay publishes an event only after the previous event of that aggregate was acknowledged (docs/protocols.md
/// "Relay").
///
/// - Lost acknowledgement: the broker stores sequence 2, and its acknowledgement is lost. librdkafka sends the record
///   again. The broker drops the copy, because the producer is idempotent.
/// - Delivery timeout: there is no acknowledgement within 30 s (`message.timeout.ms`). `publish` fails, although the
///   broker may have stored sequence 2. The relay publishes it again, as a new record with the same id and sequence.
///   The topic may have it twice, and consumers drop the second ([`LastSequences`](crate::LastSequences)).
/// - Full queue: the event waits up to 5 s for room. Then `publish` fails, and nothing was sent.
/// - Fatal error: the brokers' state contradicts the producer's sequence numbers, for example after the brokers lost
///   records. librdkafka stops this producer for good. `publish` fails and replaces the producer. The relay's next
///   attempt uses the new producer.
pub struct KafkaEventPublisher {
    config: ClientConfig,
    /// `None` after `close`.
    producer: RwLock<Option<Producer>>,
}

impl KafkaEventPublisher {
    /// Creates the producer, which connects in the background. Unreachable brokers are not an error.
    pub fn open(settings: &KafkaSettings) -> Result<Self, OpenError> {
        Self::with_config(producer_config(settings)?)
    }

    fn with_config(config: ClientConfig) -> Result<Self, OpenError> {
        let producer = RwLock::new(Some(create_producer(&config)?));
        Ok(Self { config, producer })
    }

    /// Creates the topics that do not exist, within five seconds. Existing topics are not changed.
    pub async fn create_topics(&self, partitions: i32, replication: i32) -> Result<(), TopicsError> {
        topics::create(&self.config, partitions, replication).await
    }

    /// Checks that every topic exists, within five seconds. After [`TopicsError::BrokersUnreachable`] it is unknown
    /// whether they exist.
    pub async fn check_topics(&self) -> Result<(), TopicsError> {
        let producer = self.slot().clone().ok_or(TopicsError::Closed)?;
        let check = spawn_blocking(move || topics::check(&producer));
        check.await.map_err(|error| TopicsError::Refused(Box::new(error)))?
    }

    /// Waits up to `within` for the acknowledgements of queued events and then closes the connections. From this call
    /// on, publishing fails. Returns an error if some events were not acknowledged; the relay sends them again. A
    /// repeated call does nothing.
    ///
    /// Dropping a publisher that was not closed abandons its queued events and blocks.
    pub async fn close(&self, within: Duration) -> Result<(), CloseError> {
        let Some(producer) = self.slot_mut().take() else {
            return Ok(());
        };
        let flush = spawn_blocking(move || producer.flush(within));
        let flushed = flush.await.map_err(|error| CloseError(Box::new(error)))?;
        flushed.map_err(|error| CloseError(Box::new(error)))
    }

    fn slot(&self) -> RwLockReadGuard<'_, Option<Producer>> {
        self.producer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot_mut(&self) -> RwLockWriteGuard<'_, Option<Producer>> {
        self.producer.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the message and waits for its acknowledgement.
    async fn send(&self, message: &EventMessage) -> Result<(), ProduceError> {
        let delivery = timeout(QUEUE_TIMEOUT, self.enqueue(message))
            .await
            .map_err(|_| ProduceError::QueueFull)??;
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(error.into()),
            Err(_) => Err(ProduceError::Closed),
        }
    }

    /// Queues the message as soon as there is room.
    async fn enqueue(&self, message: &EventMessage) -> Result<DeliveryFuture, ProduceError> {
        loop {
            match self.try_enqueue(message)? {
                Some(delivery) => return Ok(delivery),
                None => sleep(QUEUE_RETRY_INTERVAL).await,
            }
        }
    }

    /// Queues the message; `None` if there is no room.
    fn try_enqueue(&self, message: &EventMessage) -> Result<Option<DeliveryFuture>, ProduceError> {
        let record = FutureRecord::to(message.topic)
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

    /// Replaces the producer if it had a fatal error. Its queued events fail, and the relay publishes them again with
    /// the new producer. The sequence numbers of the new producer start over, so the brokers may store duplicates.
    ///
    /// Scenario: A and B fail at the same time, from the same fatal error. A replaces the producer. B finds the new
    /// producer, which has no fatal error, and leaves it.
    fn replace_if_fatal(&self) {
        let mut slot = self.slot_mut();
        let Some((code, reason)) = slot.as_ref().and_then(|producer| producer.client().fatal_error()) else {
            return;
        };
        match create_producer(&self.config) {
            Ok(fresh) => {
                tracing::warn!(%code, "the producer is replaced after a fatal error: {reason}");
                let old = slot.replace(fresh);
                // The drop waits for librdkafka's threads.
                spawn_blocking(move || drop(old));
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the producer cannot be replaced"
            ),
        }
    }
}

#[async_trait]
impl EventPublisher for KafkaEventPublisher {
    async fn publish(&self, event: &Event) -> Result<(), PublishError> {
        let sent = self.send(&EventMessage::from(event)).await;
        sent.map_err(|error| {
            self.replace_if_fatal();
            PublishError(Box::new(error))
        })
    }

    async fn close(&self, within: Duration) -> Result<(), PublishError> {
        let closed = Self::close(self, within).await;
        closed.map_err(|error| PublishError(Box::new(error)))
    }
}

fn producer_config(settings: &KafkaSettings) -> Result<ClientConfig, OpenError> {
    let mut config = settings.client_config()?;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // The default of Java clients, so that every producer chooses the same partition for a user.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", settings.message_timeout.as_millis().to_string())
        // A batch waits 5 ms for events of other aggregates.
        .set("linger.ms", "5")
        .set("queue.buffering.max.kbytes", QUEUE_KIB)
        // Events are small, and a build without gzip and zstd must be able to read them.
        .set("compression.type", "none");
    Ok(config)
}

fn create_producer(config: &ClientConfig) -> Result<Producer, OpenError> {
    Ok(config.create_with_context(ClientLog::default())?)
}

#[cfg(test)]
mod tests;
