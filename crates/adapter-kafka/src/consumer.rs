use std::thread;
use std::time::Duration;

use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::client_log::ClientLog;
use crate::error::{ConsumeError, OpenError, is_away};
use crate::received_event::ReceivedEvent;
use crate::settings::KafkaSettings;
use crate::topics::Topic;

/// Reads events as a member of a consumer group, at least once.
///
/// An event whose effect is there is reported by [`done`](Self::done). What was not comes again, to this member or to
/// another: after a crash, and when partitions move. A group that is new begins with the oldest event kept. Records are
/// published uncompressed; a broker must not pack them, as gzip and zstd are not built in.
pub struct KafkaEventConsumer {
    /// `None` once it leaves the group.
    member: Option<StreamConsumer<ClientLog>>,
}

impl KafkaEventConsumer {
    /// Joins the group, in the background: brokers that are away are no failure. Call it inside the runtime that lives
    /// as long as the consumer does.
    pub fn open(settings: &KafkaSettings, group: &str, topics: &[Topic]) -> Result<Self, OpenError> {
        let mut config = settings.client_config()?;
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            // What is done is stored by us, and committed every second and when a partition is given up.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000");
        let member: StreamConsumer<ClientLog> = config.create_with_context(ClientLog::default())?;
        let topics: Vec<_> = topics.iter().map(|topic| topic.name()).collect();
        member.subscribe(&topics)?;
        Ok(Self { member: Some(member) })
    }

    /// The next record, as soon as there is one; it waits for brokers that are away. Ask at least every five minutes,
    /// or the group gives this member's partitions to another. Giving up the waiting loses nothing.
    pub async fn next(&self) -> Result<ReceivedEvent, ConsumeError> {
        let member = self.member()?;
        loop {
            match member.recv().await {
                Ok(message) => return Ok(ReceivedEvent::read(&message)),
                Err(KafkaError::MessageConsumption(code)) if is_away(code) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reports this record, and with it every earlier one of its partition, as done: none of them comes again once that
    /// is committed, within about a second. A partition that has gone to another member meanwhile is no failure; the
    /// record comes again there.
    pub fn done(&self, received: &ReceivedEvent) -> Result<(), ConsumeError> {
        let stored = self
            .member()?
            .store_offset(&received.topic, received.partition, received.offset);
        match stored {
            Ok(()) | Err(KafkaError::StoreOffset(RDKafkaErrorCode::State)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits what is done and leaves the group, so that others go on at once; gives up waiting for it after `within`.
    pub async fn close(mut self, within: Duration) {
        if let Some(left) = self.leave()
            && timeout(within, left).await.is_err()
        {
            tracing::warn!("the consumer group was not left in time");
        }
    }

    fn member(&self) -> Result<&StreamConsumer<ClientLog>, ConsumeError> {
        let gone = || ConsumeError::Ended(Box::new(KafkaError::Canceled));
        self.member.as_ref().ok_or_else(gone)
    }

    /// Leaves the group in a thread that nobody waits for: while the brokers are away it takes the session timeout, and
    /// neither a worker nor the end of the process may hang on that. The receiver ends with it.
    fn leave(&mut self) -> Option<oneshot::Receiver<()>> {
        let member = self.member.take()?;
        let (leaving, left) = oneshot::channel();
        let leave = move || {
            drop(member);
            drop(leaving);
        };
        if let Err(error) = thread::Builder::new().name("kafka-leave".to_owned()).spawn(leave) {
            tracing::warn!(error = &error as &dyn std::error::Error, "no thread could be started");
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
