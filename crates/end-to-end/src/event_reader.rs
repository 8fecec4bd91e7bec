use std::time::Duration;

use adapter_kafka::{
    KafkaEventConsumer, KafkaEventPublisher, KafkaSettings, ReceivedEvent, Security, TopicsError, topics,
};
use domain::event::{Event, EventType};
use tokio::time::{Instant, timeout_at};

use crate::eventually;
use crate::random::random_suffix;

const PARTITIONS: i32 = 6;
const REPLICATION: i32 = 1;
const TOPICS_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a reader of the events of these users. It reads every topic from the beginning, in a consumer group of its
/// own. Every trial has users of its own, so its reader ignores the events of other trials.
pub fn open_event_reader(brokers: &str, users: &[&str]) -> EventReader {
    let group = format!("end-to-end-{}", random_suffix());
    let consumer = KafkaEventConsumer::open(&settings(brokers), &group, &topics()).expect("the settings are valid");
    EventReader {
        consumer,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        received_events: Vec::new(),
    }
}

/// A consumer of the events of some users.
pub struct EventReader {
    consumer: KafkaEventConsumer,
    users: Vec<String>,
    received_events: Vec<ReceivedEvent>,
}

impl EventReader {
    /// Waits for the next event of the users. Events of different topics come in any order. An event that was published
    /// twice is returned twice.
    pub async fn next(&mut self) -> &ReceivedEvent {
        loop {
            let received = self.consumer.next().await.expect("the topics can be read");
            let key = received.key.as_deref().unwrap_or_default();
            if self.users.iter().any(|user| user.as_bytes() == key) {
                self.received_events.push(received);
                return self.received_events.last().expect("it was pushed");
            }
        }
    }

    /// Reads until `is_enough` returns true. Panics with the events so far when that takes longer than `within`.
    pub async fn read_until(
        &mut self,
        within: Duration,
        mut is_enough: impl FnMut(&[ReceivedEvent]) -> bool,
    ) -> &[ReceivedEvent] {
        let deadline = Instant::now() + within;
        while !is_enough(&self.received_events) {
            let is_overdue = timeout_at(deadline, self.next()).await.is_err();
            assert!(
                !is_overdue,
                "not within {within:?}; received: {:#?}",
                self.received_events
            );
        }
        &self.received_events
    }

    /// Reads until there is an event of this kind about the user, and returns the first one.
    pub async fn read_until_event(&mut self, kind: &'static EventType, user: &str, within: Duration) -> &ReceivedEvent {
        let is_wanted = |received: &ReceivedEvent| {
            let event = received.event.as_ref().ok();
            event.is_some_and(|event| event.kind == kind && event.user.as_str() == user)
        };
        let events = self.read_until(within, |events| events.iter().any(is_wanted)).await;
        events
            .iter()
            .find(|received| is_wanted(received))
            .expect("it was received")
    }

    /// Returns every event that was read so far.
    pub fn received_events(&self) -> &[ReceivedEvent] {
        &self.received_events
    }

    /// Returns the events that could be parsed.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.received_events
            .iter()
            .filter_map(|received| received.event.as_ref().ok())
    }
}

fn settings(brokers: &str) -> KafkaSettings {
    KafkaSettings {
        // The test servers use no TLS.
        allow_insecure: true,
        ..KafkaSettings::new(brokers, Security::Plaintext)
    }
}

/// Creates the missing topics and waits until the brokers list them.
pub(crate) async fn create_topics_if_missing(brokers: &str) {
    let publisher = KafkaEventPublisher::open(&settings(brokers)).expect("the settings are valid");
    let created = publisher.create_topics(PARTITIONS, REPLICATION).await;
    created.expect("the topics can be created");
    eventually("the topics exist", TOPICS_TIMEOUT, async || {
        match publisher.check_topics().await {
            Ok(()) => Some(()),
            // A broker can respond from an older view of the topics.
            Err(TopicsError::Missing(_)) => None,
            Err(failure) => panic!("{failure:?}"),
        }
    })
    .await;
    let _ = publisher.close(TOPICS_TIMEOUT).await;
}
