//! Tests of the consumer on librdkafka's mock broker.

use std::time::Instant;

use domain::credential_lock::events::CREDENTIAL_LOCKED;
use domain::event::Event;
use ports::EventPublisher as _;
use rdkafka::mocking::MockCluster;

use super::*;
use crate::fixtures;
use crate::publisher::KafkaEventPublisher;
use crate::settings::Security;

async fn next_sequence(consumer: &KafkaEventConsumer) -> u64 {
    consumer.next().await.unwrap().event.unwrap().sequence
}

fn lock_event(sequence: u64) -> Event {
    fixtures::event(CREDENTIAL_LOCKED, sequence)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_waits_for_unreachable_brokers() {
    let brokers = MockCluster::new(1).unwrap();
    brokers
        .create_topic(domain::credential_lock::events::TOPIC, 1, 1)
        .unwrap();
    let settings = KafkaSettings::new(brokers.bootstrap_servers(), Security::Plaintext);
    let publisher = KafkaEventPublisher::open(&settings).unwrap();
    publisher.publish(&lock_event(1)).await.unwrap();
    brokers.broker_down(-1).unwrap();

    let consumer = KafkaEventConsumer::open(&settings, "group", &[domain::credential_lock::events::TOPIC]).unwrap();
    let early = timeout(Duration::from_secs(1), consumer.next()).await;
    assert!(early.is_err(), "{early:?}");
    brokers.broker_up(-1).unwrap();
    assert_eq!(next_sequence(&consumer).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_returns_in_time_without_brokers() {
    let brokers = MockCluster::new(1).unwrap();
    brokers
        .create_topic(domain::credential_lock::events::TOPIC, 1, 1)
        .unwrap();
    let settings = KafkaSettings::new(brokers.bootstrap_servers(), Security::Plaintext);
    let publisher = KafkaEventPublisher::open(&settings).unwrap();
    publisher.publish(&lock_event(1)).await.unwrap();
    let consumer = KafkaEventConsumer::open(&settings, "group", &[domain::credential_lock::events::TOPIC]).unwrap();
    let received = consumer.next().await.unwrap();
    brokers.broker_down(-1).unwrap();
    consumer.mark_done(&received).unwrap();
    let started = Instant::now();
    consumer.close(Duration::from_secs(2)).await;
    assert!(started.elapsed() < Duration::from_secs(3));
}
