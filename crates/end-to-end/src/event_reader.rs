use std::time::Duration;

use adapter_kafka::{
    KafkaEventConsumer, KafkaEventPublisher, KafkaSettings, ReceivedEvent, Security, Topic, TopicsError,
};
use domain::event::{Event, EventKind};
use tokio::time::{Instant, timeout_at};

use crate::eventually;
use crate::installation::random_suffix;

const PARTITIONS: i32 = 6;
const REPLICATION: i32 = 1;
const TOPICS_WITHIN: Duration = Duration::from_secs(30);

/// Returns a reader of the events of these users. It reads every topic from the beginning, in a consumer group of its
/// own. Every trial has users of its own, so it ignores the events of other trials.
pub fn read_events(brokers: &str, users: &[&str]) -> EventReader {
    let group = format!("end-to-end-{}", random_suffix());
    let consumer = KafkaEventConsumer::open(&settings(brokers), &group, &Topic::ALL).expect("the settings are valid");
    EventReader {
        consumer,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        seen: Vec::new(),
    }
}

/// A consumer of the events of some users.
pub struct EventReader {
    consumer: KafkaEventConsumer,
    users: Vec<String>,
    seen: Vec<ReceivedEvent>,
}

impl EventReader {
    /// Waits for the next event of the users, in any order of the topics. Returns an event that was published twice two
    /// times.
    pub async fn next(&mut self) -> &ReceivedEvent {
        loop {
            let received = self.consumer.next().await.expect("the topics can be read");
            let key = received.key.as_deref().unwrap_or_default();
            if self.users.iter().any(|user| user.as_bytes() == key) {
                self.seen.push(received);
                return self.seen.last().expect("it was pushed");
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
        while !is_enough(&self.seen) {
            let is_overdue = timeout_at(deadline, self.next()).await.is_err();
            assert!(!is_overdue, "not within {within:?}; seen: {:#?}", self.seen);
        }
        &self.seen
    }

    /// Reads until there is an event of this kind about the user, and returns the first one.
    pub async fn read_until_event(&mut self, kind: EventKind, user: &str, within: Duration) -> &ReceivedEvent {
        let is_wanted = |received: &ReceivedEvent| {
            let event = received.event.as_ref().ok();
            event.is_some_and(|event| event.kind == kind && event.user.as_str() == user)
        };
        let seen = self.read_until(within, |seen| seen.iter().any(is_wanted)).await;
        seen.iter().find(|received| is_wanted(received)).expect("it was seen")
    }

    /// Returns everything that was read so far.
    pub fn seen(&self) -> &[ReceivedEvent] {
        &self.seen
    }

    /// Returns the events that could be parsed.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.seen.iter().filter_map(|received| received.event.as_ref().ok())
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
    eventually("the topics exist", TOPICS_WITHIN, async || {
        match publisher.check_topics().await {
            Ok(()) => Some(()),
            // A broker can respond from an older view of the topics.
            Err(TopicsError::Missing(_)) => None,
            Err(failure) => panic!("{failure:?}"),
        }
    })
    .await;
    let _ = publisher.close(TOPICS_WITHIN).await;
}
