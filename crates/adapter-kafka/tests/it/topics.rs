use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use adapter_kafka::{KafkaEventPublisher, Topic, TopicsError};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use crate::Broker;

const PARTITIONS: i32 = 6;
const REPLICATION: i32 = 1;
const WITHIN: Duration = Duration::from_secs(10);

/// Makes the topics and waits until the broker shows them.
pub(crate) async fn make(publisher: &KafkaEventPublisher) {
    publisher
        .create_topics(PARTITIONS, REPLICATION)
        .await
        .expect("the topics are made");
    loop {
        match publisher.check_topics().await {
            Ok(()) => break,
            // A broker answers before its view of the topics is the newest.
            Err(TopicsError::Missing(_)) => tokio::task::yield_now().await,
            Err(failure) => panic!("{failure:?}"),
        }
    }
}

/// `reach` has made them.
pub(crate) async fn every_topic_is_made_once(broker: Broker) {
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

/// How many partitions a topic has.
pub(crate) fn partitions(broker: &Broker, topic: Topic) -> i32 {
    let reader = reader(&broker.settings.brokers, "authme-it");
    partitions_seen_by(&reader, topic)
}

fn partitions_seen_by(reader: &BaseConsumer, topic: Topic) -> i32 {
    let metadata = reader.fetch_metadata(Some(topic.name()), WITHIN).expect("the topic");
    let topic = &metadata.topics()[0];
    assert!(topic.error().is_none(), "{:?}", topic.error());
    i32::try_from(topic.partitions().len()).expect("a few partitions")
}

/// Where a partition ends. A topic that was made just now is asked again until its partitions have leaders.
fn end_of(reader: &BaseConsumer, topic: Topic, partition: i32) -> i64 {
    let begun = Instant::now();
    loop {
        match reader.fetch_watermarks(topic.name(), partition, WITHIN) {
            Ok((_, end)) => return end,
            Err(error) => assert!(begun.elapsed() < WITHIN, "{} {partition}: {error}", topic.name()),
        }
    }
}

/// Lets the group begin behind what other trials have published.
pub(crate) async fn begin_at_the_end(broker: &Broker, group: &str, topic: Topic) {
    let (brokers, group) = (broker.settings.brokers.clone(), group.to_owned());
    let begin = move || {
        let reader = reader(&brokers, &group);
        let ends: HashMap<_, _> = (0..partitions_seen_by(&reader, topic))
            .map(|partition| {
                let end = end_of(&reader, topic, partition);
                ((topic.name().to_owned(), partition), Offset::Offset(end))
            })
            .collect();
        let ends = TopicPartitionList::from_topic_map(&ends).expect("offsets");
        reader.commit(&ends, CommitMode::Sync).expect("a commit");
    };
    spawn_blocking(begin).await.expect("no panic");
}
