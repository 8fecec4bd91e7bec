use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use adapter_kafka::{KafkaEventPublisher, KafkaSettings, LastSequences, Security, TopicsError};
use domain::credential_lock::events::CREDENTIAL_LOCKED;
use domain::factors::events::FACTOR_ADDED;
use domain::ids::UserId;
use domain::sessions::events::SESSION_REVOKED;
use ports::EventPublisher as _;

use crate::events::{event, lock_event, random_name, random_user};
use crate::topics::{count_partitions, skip_to_end};
use crate::{Broker, murmur2};

const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn an_event_has_the_documented_form(broker: Broker) {
    let (publisher, user) = (broker.publisher(), random_user());
    for (kind, topic) in [
        (CREDENTIAL_LOCKED, domain::credential_lock::events::TOPIC),
        (FACTOR_ADDED, domain::factors::events::TOPIC),
        (SESSION_REVOKED, domain::sessions::events::TOPIC),
    ] {
        let group = random_name("group");
        skip_to_end(&broker, &group, topic).await;
        let sent = event(kind, &user, 7);
        publisher.publish(&sent).await.unwrap();

        let consumer = broker.consumer(&group, &[topic]);
        let received = loop {
            let received = consumer.next().await.unwrap();
            if received.key.as_deref() == Some(user.as_str().as_bytes()) {
                break received;
            }
        };
        assert_eq!(received.topic, topic);
        assert_eq!(received.event, Ok(sent.clone()));
        let headers: Vec<_> = received
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("ce_specversion", "1.0"),
                ("ce_id", sent.id.0.as_str()),
                ("ce_source", kind.source),
                ("ce_type", kind.name),
                ("ce_subject", sent.subject.as_str()),
                ("ce_time", "2026-11-23T03:16:24.420Z"),
                ("ce_partitionkey", user.as_str()),
                ("ce_sequence", "00000000000000000007"),
                ("content-type", "application/json"),
                ("ce_correlationid", "request-7"),
            ]
        );
    }
}

/// Closes the publisher while every event is still queued.
pub(crate) async fn close_loses_no_event(broker: Broker) {
    const COUNT: u64 = 500;
    let (group, user) = (random_name("group"), random_user());
    skip_to_end(&broker, &group, domain::credential_lock::events::TOPIC).await;
    let publisher = broker.publisher();
    let events: Vec<_> = (1..=COUNT).map(|sequence| lock_event(&user, sequence)).collect();
    let mut publishing: Vec<_> = events.iter().map(|event| publisher.publish(event)).collect();
    for one in &mut publishing {
        let queued = one.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(queued.is_pending());
    }
    publisher.close(WITHIN).await.unwrap();
    for one in publishing {
        one.await.unwrap();
    }
    publisher.publish(&events[0]).await.unwrap_err();

    let consumer = broker.consumer(&group, &[domain::credential_lock::events::TOPIC]);
    let (mut last, mut seen) = (LastSequences::new(), Vec::new());
    while seen.len() < events.len() {
        let event = consumer.next().await.unwrap().event;
        if let Ok(event) = event
            && event.user == user
            && last.is_new(&event)
        {
            last.record(&event);
            seen.push(event);
        }
    }
    assert_eq!(seen, events);
}

pub(crate) async fn java_clients_choose_the_same_partition(broker: Broker) {
    murmur2::assert_kafka_vectors();
    let group = random_name("group");
    skip_to_end(&broker, &group, domain::factors::events::TOPIC).await;
    let (publisher, count) = (
        broker.publisher(),
        count_partitions(&broker, domain::factors::events::TOPIC),
    );
    let users: Vec<UserId> = (0..40).map(|_| random_user()).collect();
    for user in &users {
        let added = event(FACTOR_ADDED, user, 1);
        publisher.publish(&added).await.unwrap();
    }
    let consumer = broker.consumer(&group, &[domain::factors::events::TOPIC]);
    let mut count_seen = 0;
    while count_seen < users.len() {
        let received = consumer.next().await.unwrap();
        let Ok(event) = received.event else { continue };
        if users.contains(&event.user) {
            let expected = murmur2::partition(event.user.as_str().as_bytes(), count);
            assert_eq!(received.partition, expected, "{}", event.user);
            count_seen += 1;
        }
    }
}

/// No broker listens on port 1.
pub(crate) async fn publishing_without_brokers_fails_in_time() {
    let settings = KafkaSettings {
        message_timeout: Duration::from_secs(1),
        ..KafkaSettings::new("127.0.0.1:1", Security::Plaintext)
    };
    let publisher = KafkaEventPublisher::open(&settings).unwrap();
    let started = Instant::now();
    publisher.publish(&lock_event(&random_user(), 1)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    let started = Instant::now();
    let checked = publisher.check_topics().await;
    assert!(
        matches!(checked, Err(TopicsError::BrokersUnreachable(_))),
        "{checked:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    publisher.close(Duration::from_secs(1)).await.unwrap();
}
