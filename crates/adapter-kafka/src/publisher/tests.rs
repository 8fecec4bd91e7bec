//! Tests of the publisher on librdkafka's mock broker, which can inject errors.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Instant;

use domain::credential_lock::events::CREDENTIAL_LOCKED;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;
use crate::fixtures;
use crate::settings::Security;

type Brokers = MockCluster<'static, DefaultProducerContext>;

fn brokers() -> Brokers {
    let brokers = MockCluster::new(1).unwrap();
    for topic in topics() {
        brokers.create_topic(topic, 3, 1).unwrap();
    }
    brokers
}

fn settings(brokers: &Brokers) -> KafkaSettings {
    KafkaSettings::new(brokers.bootstrap_servers(), Security::Plaintext)
}

fn lock_event(sequence: u64) -> Event {
    fixtures::event(CREDENTIAL_LOCKED, sequence)
}

type Publishing<'a> = Pin<Box<dyn Future<Output = Result<(), PublishError>> + Send + 'a>>;

fn lock_events(count: u64) -> Vec<Event> {
    (1..=count).map(lock_event).collect()
}

/// Starts to publish each event. The events that fit into the queue are queued when this returns.
fn start<'a>(publisher: &'a KafkaEventPublisher, events: &'a [Event]) -> Vec<Publishing<'a>> {
    let mut publishing: Vec<_> = events.iter().map(|event| publisher.publish(event)).collect();
    for one in &mut publishing {
        let state = one.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(state.is_pending());
    }
    publishing
}

/// Waits for all of them and returns how many were acknowledged.
async fn count_acknowledged(publishing: Vec<Publishing<'_>>) -> usize {
    let mut count = 0;
    for one in publishing {
        count += usize::from(one.await.is_ok());
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_with_a_fatal_error_is_replaced() {
    let brokers = brokers();
    let publisher = KafkaEventPublisher::open(&settings(&brokers)).unwrap();
    publisher.publish(&lock_event(1)).await.unwrap();
    brokers.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    publisher.publish(&lock_event(2)).await.unwrap_err();
    publisher.publish(&lock_event(2)).await.unwrap();
    publisher.publish(&lock_event(3)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transient_errors_are_retried() {
    let brokers = brokers();
    let publisher = KafkaEventPublisher::open(&settings(&brokers)).unwrap();
    brokers.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        ],
    );
    publisher.publish(&lock_event(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publish_waits_for_room_in_the_queue() {
    let brokers = brokers();
    let mut config = producer_config(&settings(&brokers)).unwrap();
    config.set("queue.buffering.max.messages", "2");
    let (publisher, events) = (KafkaEventPublisher::with_config(config).unwrap(), lock_events(50));
    assert_eq!(count_acknowledged(start(&publisher, &events)).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_events_are_sent_when_brokers_return() {
    let brokers = brokers();
    let publisher = KafkaEventPublisher::open(&settings(&brokers)).unwrap();
    publisher.publish(&lock_event(1)).await.unwrap();
    brokers.broker_down(-1).unwrap();
    let events = lock_events(10);
    let publishing = start(&publisher, &events);
    brokers.broker_up(-1).unwrap();
    assert_eq!(count_acknowledged(publishing).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_waits_for_queued_events() {
    let brokers = brokers();
    brokers.broker_round_trip_time(-1, Duration::from_millis(300)).unwrap();
    let publisher = KafkaEventPublisher::open(&settings(&brokers)).unwrap();
    let events = lock_events(10);
    let publishing = start(&publisher, &events);
    publisher.close(Duration::from_secs(20)).await.unwrap();
    assert_eq!(count_acknowledged(publishing).await, 10);
    publisher.publish(&lock_event(11)).await.unwrap_err();
    publisher.close(Duration::ZERO).await.unwrap();
    assert!(matches!(publisher.check_topics().await, Err(TopicsError::Closed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_reports_unacknowledged_events() {
    let brokers = brokers();
    let publisher = KafkaEventPublisher::open(&settings(&brokers)).unwrap();
    brokers.broker_down(-1).unwrap();
    let events = lock_events(3);
    let publishing = start(&publisher, &events);
    let started = Instant::now();
    publisher.close(Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(count_acknowledged(publishing).await, 0);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_topics_names_missing_topics() {
    let brokers = MockCluster::new(1).unwrap();
    brokers.create_topic(domain::factors::events::TOPIC, 1, 1).unwrap();
    for topic in [
        domain::credential_lock::events::TOPIC,
        domain::directory::events::TOPIC,
        domain::sessions::events::TOPIC,
        domain::sessions::events::SIGN_IN_TOPIC,
    ] {
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        brokers.topic_error(topic, unknown).unwrap();
    }
    let publisher = KafkaEventPublisher::open(&settings(&brokers)).unwrap();
    let Err(TopicsError::Missing(missing)) = publisher.check_topics().await else {
        panic!("four topics are missing");
    };
    assert_eq!(
        missing,
        [
            "authme.credential.v1",
            "authme.directory.v1",
            "authme.session.v1",
            "authme.login.v1"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_brokers_differ_from_missing_topics() {
    let brokers = brokers();
    let publisher = KafkaEventPublisher::open(&settings(&brokers)).unwrap();
    brokers.broker_down(-1).unwrap();
    let started = Instant::now();
    let (checked, created) = tokio::join!(publisher.check_topics(), publisher.create_topics(3, 1));
    assert!(
        matches!(checked, Err(TopicsError::BrokersUnreachable(_))),
        "{checked:?}"
    );
    assert!(
        matches!(created, Err(TopicsError::BrokersUnreachable(_))),
        "{created:?}"
    );
    assert!(started.elapsed() < 3 * Duration::from_secs(5));
}
