use adapter_kafka::{KafkaEventPublisher, Topic, TopicsError};
use service_runtime::{CommandError, ServiceSettings};

use crate::{kafka, print_line};

/// What is known of the topics.
#[derive(Debug)]
pub(crate) enum Topics {
    There,
    /// No broker answers: a service starts nevertheless, and its outboxes keep the events.
    Unknown(TopicsError),
}

/// Looks for the topics. Brokers that answer and lack one are a refusal: no event would ever go out.
pub(crate) async fn check(publisher: &KafkaEventPublisher) -> Result<Topics, CommandError> {
    match publisher.check_topics().await {
        Ok(()) => Ok(Topics::There),
        Err(away @ TopicsError::BrokerAway(_)) => Ok(Topics::Unknown(away)),
        Err(failure) => Err(CommandError::context("the topics are not usable")(failure)),
    }
}

/// `--create-topics`.
pub(crate) async fn create(settings: &ServiceSettings) -> Result<(), CommandError> {
    let doing = || CommandError::context("the topics cannot be made");
    let publisher = kafka::publisher(&settings.kafka)?;
    let missing = match publisher.check_topics().await {
        Ok(()) => Vec::new(),
        Err(TopicsError::Missing(missing)) => missing,
        Err(failure) => return Err(doing()(failure)),
    };
    if !missing.is_empty() {
        let (partitions, replication) = (settings.kafka.partitions, settings.kafka.replication);
        publisher
            .create_topics(partitions, replication)
            .await
            .map_err(doing())?;
    }
    for topic in Topic::ALL.map(Topic::name) {
        let made = missing.contains(&topic);
        print_line(&format!("{topic}: {}", if made { "made" } else { "was there" }))?;
    }
    Ok(())
}
