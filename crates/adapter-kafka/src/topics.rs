use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::Producer as _;
use rdkafka::types::RDKafkaErrorCode;
use tokio::task::spawn_blocking;

use crate::client_log::{ClientLog, Producer};
use crate::error::{OpenError, TopicsError};

/// The time limit for the brokers when topics are checked or created. Both happen at start, while an operator waits.
const TOPICS_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the topics of all events (docs/events.md), each once.
pub fn topics() -> Vec<&'static str> {
    let mut topics: Vec<_> = domain::event_types().map(|kind| kind.topic).collect();
    topics.dedup();
    topics
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
    let new_topic = |topic| {
        let new_topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(replication));
        new_topic.set("min.insync.replicas", min_in_sync)
    };
    let topics: Vec<_> = topics().into_iter().map(new_topic).collect();
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
    for topic in topics() {
        let left = deadline.saturating_duration_since(Instant::now());
        let metadata = producer.client().fetch_metadata(Some(topic), left)?;
        let error = metadata.topics().iter().find_map(MetadataTopic::error);
        match error.map(RDKafkaErrorCode::from) {
            // A new topic has no leader yet.
            None | Some(RDKafkaErrorCode::LeaderNotAvailable) => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                missing.push(topic);
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
    #[test]
    fn each_source_has_its_own_topic() {
        let mut topics: Vec<_> = domain::event_types().map(|kind| (kind.topic, kind.source)).collect();
        topics.dedup();
        assert_eq!(
            topics,
            [
                ("authme.credential.v1", "/authme/credential-lock"),
                ("authme.directory.v1", "/authme/identities"),
                ("authme.factor.v1", "/authme/factors"),
                ("authme.session.v1", "/authme/tokens"),
                ("authme.login.v1", "/authme/sign-ins"),
            ]
        );
    }
}
