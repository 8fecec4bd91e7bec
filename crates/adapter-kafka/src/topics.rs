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

/// How long the brokers have to answer about topics.
const WITHIN: Duration = Duration::from_secs(5);

/// The topics of the contract (01-api 5).
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

    /// Where events of this kind go.
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

/// Makes every topic that is not there yet. Those that are there stay as they are.
pub(crate) async fn create(config: &ClientConfig, partitions: i32, replication: i32) -> Result<(), TopicsError> {
    let admin: AdminClient<ClientLog> = config
        .create_with_context(ClientLog::default())
        .map_err(OpenError::from)?;
    let options = AdminOptions::new()
        .request_timeout(Some(WITHIN))
        .operation_timeout(Some(WITHIN));
    // Acknowledged by all is acknowledged by this many at least: with one, a broker that dies may take events with it.
    let in_sync = if replication >= 3 { "2" } else { "1" };
    let new = |topic: Topic| {
        let new = NewTopic::new(topic.name(), partitions, TopicReplication::Fixed(replication));
        new.set("min.insync.replicas", in_sync)
    };
    let topics = Topic::ALL.map(new);
    let answers = admin.create_topics(&topics, &options).await;
    // It waits for its threads.
    spawn_blocking(move || drop(admin));
    for answer in answers? {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(TopicsError::from(code)),
        }
    }
    Ok(())
}

/// Looks for every topic. It blocks.
pub(crate) fn check(producer: &Producer) -> Result<(), TopicsError> {
    let deadline = Instant::now() + WITHIN;
    let mut missing = Vec::new();
    for topic in Topic::ALL {
        let left = deadline.saturating_duration_since(Instant::now());
        let metadata = producer.client().fetch_metadata(Some(topic.name()), left)?;
        let error = metadata.topics().iter().find_map(MetadataTopic::error);
        match error.map(RDKafkaErrorCode::from) {
            // A topic that was made just now has no leader yet.
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
    fn every_source_has_a_topic_of_its_own() {
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
