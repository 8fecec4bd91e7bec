use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use adapter_kafka::{KafkaEventPublisher, TopicsError};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use crate::Broker;

const PARTITIONS: i32 = 6;
const REPLICATION: i32 = 1;
const WITHIN: Duration = Duration::from_secs(10);

/// Creates the topics and waits until the broker's metadata has them.
pub(crate) async fn create(publisher: &KafkaEventPublisher) {
    publisher
        .create_topics(PARTITIONS, REPLICATION)
        .await
        .expect("the topics are created");
    loop {
        match publisher.check_topics().await {
            Ok(()) => break,
            // A broker acknowledges the creation before its own metadata has the topics.
            Err(TopicsError::Missing(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// `Broker::connect` has created the topics already.
pub(crate) async fn creating_topics_again_changes_nothing(broker: Broker) {
    let publisher = broker.publisher();
    publisher.check_topics().await.unwrap();
    publisher.create_topics(PARTITIONS, REPLICATION).await.unwrap();
    publisher.check_topics().await.unwrap();
    publisher.close(WITHIN).await.unwrap();
}

fn reader(brokers: &str, group: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group);
    config.create().expect("a consumer")
}

/// Returns the number of partitions of a topic.
pub(crate) fn count_partitions(broker: &Broker, topic: &str) -> i32 {
    let reader = reader(&broker.settings.brokers, "authme-it");
    partition_count(&reader, topic)
}

fn partition_count(reader: &BaseConsumer, topic: &str) -> i32 {
    let metadata = reader.fetch_metadata(Some(topic), WITHIN).expect("the topic");
    let topic = &metadata.topics()[0];
    assert!(topic.error().is_none(), "{:?}", topic.error());
    i32::try_from(topic.partitions().len()).expect("a few partitions")
}

/// Returns the end offset of a partition. If the topic is new, retries until its partitions have leaders.
fn end_offset(reader: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    let started = Instant::now();
    loop {
        match reader.fetch_watermarks(topic, partition, WITHIN) {
            Ok((_, end)) => return end,
            Err(error) => assert!(started.elapsed() < WITHIN, "{topic} {partition}: {error}"),
        }
    }
}

/// Commits the end offsets for the group, so that it skips what other trials have published.
pub(crate) async fn skip_to_end(broker: &Broker, group: &str, topic: &'static str) {
    let (brokers, group) = (broker.settings.brokers.clone(), group.to_owned());
    let commit = move || {
        let reader = reader(&brokers, &group);
        let ends: HashMap<_, _> = (0..partition_count(&reader, topic))
            .map(|partition| {
                let end = end_offset(&reader, topic, partition);
                ((topic.to_owned(), partition), Offset::Offset(end))
            })
            .collect();
        let ends = TopicPartitionList::from_topic_map(&ends).expect("offsets");
        reader.commit(&ends, CommitMode::Sync).expect("a commit");
    };
    spawn_blocking(commit).await.expect("the commit does not panic");
}
