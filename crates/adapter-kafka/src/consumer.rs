use std::thread;
use std::time::Duration;

use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::client_log::ClientLog;
use crate::error::{ConsumeError, OpenError, is_connection_error};
use crate::received_event::ReceivedEvent;
use crate::settings::KafkaSettings;

/// Reads events as a member of a consumer group, at least once.
///
/// The caller carries out the effect of an event and then calls [`mark_done`](Self::mark_done). Scenario: member A
/// reads event 1, carries out its effect, and dies before the offset is committed. The group assigns the partition to
/// B, which reads event 1 again. The effect must therefore be idempotent, or be stored together with the sequence of
/// the event ([`LastSequences`](crate::LastSequences)).
///
/// A new group begins with the oldest event of the topic. The topic's `compression.type` must not be gzip or zstd,
/// which are not built in.
pub struct KafkaEventConsumer {
    /// `None` after the consumer has left the group.
    member: Option<StreamConsumer<ClientLog>>,
}

impl KafkaEventConsumer {
    /// Joins the group in the background. Unreachable brokers are not an error. Must be called within a tokio runtime
    /// that lives as long as the consumer.
    pub fn open(settings: &KafkaSettings, group: &str, topics: &[&str]) -> Result<Self, OpenError> {
        let mut config = settings.client_config()?;
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            // `mark_done` stores the offset. librdkafka commits stored offsets every second, and when a partition is
            // revoked.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000");
        let member: StreamConsumer<ClientLog> = config.create_with_context(ClientLog::default())?;
        member.subscribe(topics)?;
        Ok(Self { member: Some(member) })
    }

    /// Waits for the next record, even while brokers are unreachable. Must be called at least every five minutes
    /// (`max.poll.interval.ms`), or the group assigns this member's partitions to another. No record is lost if the
    /// future is dropped.
    pub async fn next(&self) -> Result<ReceivedEvent, ConsumeError> {
        let member = self.member()?;
        loop {
            match member.recv().await {
                Ok(message) => return Ok(ReceivedEvent::read(&message)),
                Err(KafkaError::MessageConsumption(code)) if is_connection_error(code) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Marks this record, and every earlier record of its partition, as done. They are not delivered again once the
    /// offset is committed, which takes about a second. If the partition has been assigned to another member, this call
    /// succeeds without an effect, and the other member gets the record again.
    pub fn mark_done(&self, received: &ReceivedEvent) -> Result<(), ConsumeError> {
        let stored = self
            .member()?
            .store_offset(&received.topic, received.partition, received.offset);
        match stored {
            Ok(()) | Err(KafkaError::StoreOffset(RDKafkaErrorCode::State)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits stored offsets and leaves the group, so that other members get its partitions immediately. Returns after
    /// `within` at the latest. The consumer then continues to leave in the background.
    pub async fn close(mut self, within: Duration) {
        if let Some(left) = self.leave()
            && timeout(within, left).await.is_err()
        {
            tracing::warn!("leaving the consumer group takes longer than allowed");
        }
    }

    fn member(&self) -> Result<&StreamConsumer<ClientLog>, ConsumeError> {
        let closed_error = || ConsumeError::Ended(Box::new(KafkaError::Canceled));
        self.member.as_ref().ok_or_else(closed_error)
    }

    /// Leaves the group in a separate thread, because that takes as long as the session timeout while brokers are
    /// unreachable. Neither a worker nor the exit of the process may wait for it. The receiver completes when the
    /// consumer has left.
    fn leave(&mut self) -> Option<oneshot::Receiver<()>> {
        let member = self.member.take()?;
        let (leaving, left) = oneshot::channel();
        let leave = move || {
            drop(member);
            drop(leaving);
        };
        if let Err(error) = thread::Builder::new().name("kafka-leave".to_owned()).spawn(leave) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the thread that leaves the group could not be started"
            );
        }
        Some(left)
    }
}

impl Drop for KafkaEventConsumer {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
