use std::time::Duration;

use adapter_kafka::{
    KafkaEventConsumer, KafkaEventPublisher, KafkaSettings, ReceivedEvent, Security, Topic, TopicsError,
};
use domain::event::{Event, EventKind};
use tokio::time::{Instant, timeout_at};

use crate::eventually;
use crate::installation::chance;

const PARTITIONS: i32 = 6;
const REPLICATION: i32 = 1;
const TOPICS_WITHIN: Duration = Duration::from_secs(30);

/// Reads every topic from its beginning, as a consumer that nobody has seen before; yields what is about these users.
/// Users are never the same in two trials, so it does not matter what else is there.
pub fn follow_events(brokers: &str, users: &[&str]) -> Follower {
    let group = format!("end-to-end-{}", chance());
    let consumer = KafkaEventConsumer::open(&settings(brokers), &group, &Topic::ALL).expect("the settings are good");
    Follower {
        consumer,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        seen: Vec::new(),
    }
}

/// Somebody who reads the events of some users.
pub struct Follower {
    consumer: KafkaEventConsumer,
    users: Vec<String>,
    seen: Vec<ReceivedEvent>,
}

impl Follower {
    /// The next event of the users, in whatever order the topics are read; it waits until there is one. What comes twice
    /// is told twice.
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

    /// Reads on until `is_enough`; panics with what was seen when that is not `within` this time.
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

    /// Reads on until there is an event of this kind about the user; the first of them.
    pub async fn read_until_told(&mut self, kind: EventKind, user: &str, within: Duration) -> &ReceivedEvent {
        let is_it = |received: &ReceivedEvent| {
            let event = received.event.as_ref().ok();
            event.is_some_and(|event| event.kind == kind && event.user.as_str() == user)
        };
        let seen = self.read_until(within, |seen| seen.iter().any(is_it)).await;
        seen.iter().find(|received| is_it(received)).expect("it was seen")
    }

    /// All that was read so far.
    pub fn seen(&self) -> &[ReceivedEvent] {
        &self.seen
    }

    /// The events among all that was read so far.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.seen.iter().filter_map(|received| received.event.as_ref().ok())
    }
}

fn settings(brokers: &str) -> KafkaSettings {
    KafkaSettings {
        // Wherever the variable points.
        allow_insecure: true,
        ..KafkaSettings::new(brokers, Security::Plaintext)
    }
}

/// Makes the topics that are missing, and waits until the brokers show them.
pub(crate) async fn make_topics(brokers: &str) {
    let publisher = KafkaEventPublisher::open(&settings(brokers)).expect("the settings are good");
    let made = publisher.create_topics(PARTITIONS, REPLICATION).await;
    made.expect("the topics can be made");
    eventually("the topics are there", TOPICS_WITHIN, async || {
        match publisher.check_topics().await {
            Ok(()) => Some(()),
            // A broker answers before its view of the topics is the newest.
            Err(TopicsError::Missing(_)) => None,
            Err(failure) => panic!("{failure:?}"),
        }
    })
    .await;
    let _ = publisher.close(TOPICS_WITHIN).await;
}
