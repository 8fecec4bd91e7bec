use std::time::{Duration, Instant};

use domain::event::EventKind;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::Producer as _;
use rdkafka::types::RDKafkaErrorCode;
use tokio::task::spawn_blocking;

use crate::client_log::ClientLog;
use crate::error::{OpenError, TopicsError};
use crate::publisher::Producer;

/// The time limit for the brokers when topics are checked or created. Both happen at start, while an operator waits.
const TOPICS_TIMEOUT: Duration = Duration::from_secs(5);

/// The topics (docs/events.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    Credential,
    Factor,
    Session,
}

impl Topic {
    pub const ALL: [Self; 3] = [Self::Credential, Self::Factor, Self::Session];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "authme.credential.v1",
            Self::Factor => "authme.factor.v1",
            Self::Session => "authme.session.v1",
        }
    }

    /// Returns the topic for events of this kind.
    pub const fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::CredentialLocked | EventKind::CredentialUnlocked => Self::Credential,
            EventKind::FactorAdded
            | EventKind::FactorChanged
            | EventKind::FactorRemoved
            | EventKind::FactorVerified
            | EventKind::FactorAttemptsExhausted => Self::Factor,
            EventKind::SessionStarted | EventKind::SessionRevoked => Self::Session,
        }
    }
}

/// Creates the topics that do not exist. Existing topics are not changed.
pub(crate) async fn create(config: &ClientConfig, partitions: i32, replication: i32) -> Result<(), TopicsError> {
    let admin: AdminClient<ClientLog> = config
        .create_with_context(ClientLog::default())
        .map_err(OpenError::from)?;
    let options = AdminOptions::new()
        .request_timeout(Some(TOPICS_TIMEOUT))
        .operation_timeout(Some(TOPICS_TIMEOUT));
    // `acks=all` waits for all in-sync replicas, which may be only one. With at least two, an acknowledged event
    // survives the loss of a broker. With fewer than three replicas, requiring two in sync would stop publishing
    // whenever a broker restarts.
    let min_in_sync = if replication >= 3 { "2" } else { "1" };
    let new_topic = |topic: Topic| {
        let new_topic = NewTopic::new(topic.name(), partitions, TopicReplication::Fixed(replication));
        new_topic.set("min.insync.replicas", min_in_sync)
    };
    let topics = Topic::ALL.map(new_topic);
    let results = admin.create_topics(&topics, &options).await;
    // The drop waits for librdkafka's threads.
    spawn_blocking(move || drop(admin));
    for result in results? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(TopicsError::from(code)),
        }
    }
    Ok(())
}

/// Checks that every topic exists. Blocks the thread.
pub(crate) fn check(producer: &Producer) -> Result<(), TopicsError> {
    let deadline = Instant::now() + TOPICS_TIMEOUT;
    let mut missing = Vec::new();
    for topic in Topic::ALL {
        let left = deadline.saturating_duration_since(Instant::now());
        let metadata = producer.client().fetch_metadata(Some(topic.name()), left)?;
        let error = metadata.topics().iter().find_map(MetadataTopic::error);
        match error.map(RDKafkaErrorCode::from) {
            // A new topic has no leader yet.
            None | Some(RDKafkaErrorCode::LeaderNotAvailable) => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                missing.push(topic.name());
            }
            Some(code) => return Err(TopicsError::from(code)),
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(TopicsError::Missing(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_own_topic() {
        let sources: Vec<_> = EventKind::ALL
            .iter()
            .map(|kind| (Topic::of(*kind).name(), kind.source()))
            .collect();
        assert_eq!(
            sources,
            [
                ("authme.credential.v1", "/authme/credential-lock"),
                ("authme.credential.v1", "/authme/credential-lock"),
                ("authme.factor.v1", "/authme/factors"),
                ("authme.factor.v1", "/authme/factors"),
                ("authme.factor.v1", "/authme/factors"),
                ("authme.factor.v1", "/authme/factors"),
                ("authme.factor.v1", "/authme/factors"),
                ("authme.session.v1", "/authme/tokens"),
                ("authme.session.v1", "/authme/tokens"),
            ]
        );
    }
}
