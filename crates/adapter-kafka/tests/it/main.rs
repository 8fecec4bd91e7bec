//! The adapter on a real broker, which `AUTHME_TEST_KAFKA_BROKERS` names.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a trial that cannot go on ends"
)]

mod consuming;
mod events;
mod murmur2;
mod publishing;
mod topics;

use std::pin::Pin;
use std::time::Duration;

use adapter_kafka::{KafkaEventConsumer, KafkaEventPublisher, KafkaSettings, Security, Topic};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const BROKERS: &str = "AUTHME_TEST_KAFKA_BROKERS";
const SERVERS: &str = "AUTHME_TEST_SERVERS";

/// Longer than any trial takes, and than the group's session.
const OVERDUE: Duration = Duration::from_mins(2);

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A broker with every topic of the contract.
#[derive(Clone)]
struct Broker {
    settings: KafkaSettings,
}

impl Broker {
    async fn reach(brokers: String) -> Self {
        let broker = Self {
            settings: KafkaSettings {
                // Wherever the variable points.
                allow_insecure: true,
                ..KafkaSettings::new(brokers, Security::Plaintext)
            },
        };
        topics::make(&broker.publisher()).await;
        broker
    }

    fn publisher(&self) -> KafkaEventPublisher {
        KafkaEventPublisher::open(&self.settings).expect("the settings are good")
    }

    fn consumer(&self, group: &str, topics: &[Topic]) -> KafkaEventConsumer {
        KafkaEventConsumer::open(&self.settings, group, topics).expect("the settings are good")
    }
}

fn run(trial: impl Future<Output = ()>) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(async { timeout(OVERDUE, trial).await });
    ended.map_err(|_| Failed::from("the trial does not end"))
}

/// A trial on the broker: shown as ignored when there is none, and failed when there must be one.
fn on_broker(name: &str, trial: fn(Broker) -> Running) -> Trial {
    let brokers = setting(BROKERS);
    let required = setting(SERVERS).is_some_and(|servers| servers == "required");
    let ignored = brokers.is_none() && !required;
    let test = move || {
        let brokers = brokers.ok_or_else(|| format!("{BROKERS} names no broker"))?;
        run(async { trial(Broker::reach(brokers).await).await })
    };
    Trial::test(format!("kafka::{name}"), test).with_ignored_flag(ignored)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the servers of a test are no setting of AuthMe"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Trials named after their functions.
macro_rules! trials {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$(on_broker(stringify!($name), |broker| Box::pin($module::$name(broker)))),*]
    };
}

fn main() {
    let mut trials = trials![
        topics::every_topic_is_made_once,
        publishing::an_event_is_read_as_the_contract_writes_it,
        publishing::closing_loses_nothing,
        publishing::the_partition_is_the_one_that_java_chooses,
        consuming::the_order_of_each_user_is_kept,
        consuming::what_is_not_done_comes_again,
        consuming::a_foreign_record_is_told_and_skipped,
    ];
    trials.push(Trial::test("kafka::brokers_that_are_away_fail_in_time", || {
        run(publishing::brokers_that_are_away_fail_in_time())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
