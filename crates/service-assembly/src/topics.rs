use adapter_kafka::{KafkaEventPublisher, KafkaSettings, TopicsError, topics};
use service_runtime::CommandError;

use crate::kafka;
use crate::output::print_line;

/// The result of a check of the topics.
#[derive(Debug)]
pub(crate) enum Topics {
    Exist,
    /// No broker answers. A service starts anyway and keeps its events in the outboxes.
    Unknown(TopicsError),
}

/// Checks that the topics exist. A missing topic is an error, because its events would never be published.
pub(crate) async fn check(publisher: &KafkaEventPublisher) -> Result<Topics, CommandError> {
    match publisher.check_topics().await {
        Ok(()) => Ok(Topics::Exist),
        Err(error @ TopicsError::BrokersUnreachable(_)) => Ok(Topics::Unknown(error)),
        Err(error) => Err(CommandError::context("the topics cannot be used")(error)),
    }
}

/// `--create-topics`: creates the missing topics and does not change existing ones.
pub(crate) async fn create(settings: &KafkaSettings) -> Result<(), CommandError> {
    let failed = || CommandError::context("the topics cannot be created");
    let publisher = kafka::publisher(settings)?;
    let missing = match publisher.check_topics().await {
        Ok(()) => Vec::new(),
        Err(TopicsError::Missing(missing)) => missing,
        Err(error) => return Err(failed()(error)),
    };
    if !missing.is_empty() {
        let (partitions, replication) = (settings.partitions, settings.replication);
        publisher
            .create_topics(partitions, replication)
            .await
            .map_err(failed())?;
    }
    for topic in topics() {
        let is_new = missing.contains(&topic);
        print_line(&format!(
            "{topic}: {}",
            if is_new { "created" } else { "already exists" }
        ))?;
    }
    Ok(())
}
