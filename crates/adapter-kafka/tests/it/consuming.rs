use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use adapter_kafka::{Defect, KafkaEventConsumer, LastSequences, ReceivedEvent};
use domain::event::Event;
use domain::ids::UserId;
use ports::EventPublisher as _;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::JoinSet;

use crate::Broker;
use crate::events::{lock_event, random_name, random_user};
use crate::topics::skip_to_end;

const WITHIN: Duration = Duration::from_secs(20);

/// Returns the next event of this user, skipping the events of other trials.
async fn next_of(consumer: &KafkaEventConsumer, user: &UserId) -> (ReceivedEvent, Event) {
    loop {
        let received = consumer.next().await.unwrap();
        match &received.event {
            Ok(event) if event.user == *user => {
                let event = event.clone();
                return (received, event);
            }
            _ => {}
        }
    }
}

/// Publishes for many users in parallel, each event after the acknowledgement of the user's previous one, like the
/// relay.
pub(crate) async fn the_order_of_each_user_is_kept(broker: Broker) {
    const USERS: usize = 20;
    const EVENTS: u64 = 50;
    let group = random_name("group");
    skip_to_end(&broker, &group, domain::credential_lock::events::TOPIC).await;
    let publisher = Arc::new(broker.publisher());
    let mut publishing = JoinSet::new();
    let mut expected: HashMap<UserId, u64> = HashMap::new();
    for _ in 0..USERS {
        let (publisher, user) = (publisher.clone(), random_user());
        expected.insert(user.clone(), 1);
        publishing.spawn(async move {
            for sequence in 1..=EVENTS {
                publisher.publish(&lock_event(&user, sequence)).await.unwrap();
            }
        });
    }
    publishing.join_all().await;

    let consumer = broker.consumer(&group, &[domain::credential_lock::events::TOPIC]);
    let mut last = LastSequences::new();
    while expected.values().any(|next| *next <= EVENTS) {
        let received = consumer.next().await.unwrap();
        let Ok(event) = &received.event else { continue };
        if let Some(next) = expected.get_mut(&event.user)
            && last.is_new(event)
        {
            assert_eq!(event.sequence, *next, "{}", event.user);
            last.record(event);
            *next += 1;
        }
        consumer.mark_done(&received).unwrap();
    }
    consumer.close(WITHIN).await;
}

pub(crate) async fn an_event_not_done_is_delivered_again(broker: Broker) {
    let (group, user) = (random_name("group"), random_user());
    skip_to_end(&broker, &group, domain::credential_lock::events::TOPIC).await;
    let publisher = broker.publisher();
    for sequence in 1..=3 {
        publisher.publish(&lock_event(&user, sequence)).await.unwrap();
    }
    let open = || broker.consumer(&group, &[domain::credential_lock::events::TOPIC]);

    let first = open();
    let (received, event) = next_of(&first, &user).await;
    assert_eq!(event.sequence, 1);
    first.mark_done(&received).unwrap();
    assert_eq!(next_of(&first, &user).await.1.sequence, 2);
    first.close(WITHIN).await;

    let second = open();
    let (received, event) = next_of(&second, &user).await;
    assert_eq!(event.sequence, 2);
    second.mark_done(&received).unwrap();
    drop(second);

    let third = open();
    assert_eq!(next_of(&third, &user).await.1.sequence, 3);
    third.close(WITHIN).await;
}

pub(crate) async fn a_foreign_record_is_reported_and_skipped(broker: Broker) {
    let (group, user) = (random_name("group"), random_user());
    skip_to_end(&broker, &group, domain::sessions::events::TOPIC).await;
    let foreign: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &broker.settings.brokers)
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap();
    let record = FutureRecord::to(domain::sessions::events::TOPIC)
        .key(user.as_str())
        .payload("\0not ours");
    let stored = foreign.send(record, WITHIN).await.unwrap();
    let revoked = crate::events::event(domain::sessions::events::SESSION_REVOKED, &user, 1);
    broker.publisher().publish(&revoked).await.unwrap();

    let consumer = broker.consumer(&group, &[domain::sessions::events::TOPIC]);
    let unreadable = loop {
        let received = consumer.next().await.unwrap();
        consumer.mark_done(&received).unwrap();
        if received.key.as_deref() == Some(user.as_str().as_bytes()) {
            break received.event.unwrap_err();
        }
    };
    assert_eq!(unreadable.topic, domain::sessions::events::TOPIC);
    assert_eq!(
        (unreadable.partition, unreadable.offset),
        (stored.partition, stored.offset)
    );
    assert_eq!(unreadable.defect, Defect::Missing("ce_specversion"));
    assert_eq!(next_of(&consumer, &user).await.1, revoked);
}
