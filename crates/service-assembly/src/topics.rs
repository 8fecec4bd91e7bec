use adapter_kafka::{KafkaEventPublisher, Topic, TopicsFailure};
use service_runtime::{Refusal, ServiceSettings};

use crate::{kafka, tell};

/// What is known of the topics.
#[derive(Debug)]
pub(crate) enum Topics {
    There,
    /// No broker answers: a service starts nevertheless, and its outboxes keep the events.
    Unknown(TopicsFailure),
}

/// Looks for the topics. Brokers that answer and lack one are a refusal: no event would ever go out.
pub(crate) async fn look(publisher: &KafkaEventPublisher) -> Result<Topics, Refusal> {
    match publisher.check_topics().await {
        Ok(()) => Ok(Topics::There),
        Err(away @ TopicsFailure::BrokerAway(_)) => Ok(Topics::Unknown(away)),
        Err(failure) => Err(Refusal::while_doing("the topics are not usable")(failure)),
    }
}

/// `--create-topics`.
pub(crate) async fn create(settings: &ServiceSettings) -> Result<(), Refusal> {
    let doing = || Refusal::while_doing("the topics cannot be made");
    let publisher = kafka::publisher(&settings.kafka)?;
    let missing = match publisher.check_topics().await {
        Ok(()) => Vec::new(),
        Err(TopicsFailure::Missing(missing)) => missing,
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
        tell(&format!("{topic}: {}", if made { "made" } else { "was there" }))?;
    }
    Ok(())
}
