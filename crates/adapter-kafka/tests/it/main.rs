//! Tests of the adapter on a real broker, whose address is in `AUTHME_TEST_KAFKA_BROKERS`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a trial that cannot continue fails"
)]

mod consuming;
mod events;
mod murmur2;
mod publishing;
mod topics;

use std::pin::Pin;
use std::time::Duration;

use adapter_kafka::{KafkaEventConsumer, KafkaEventPublisher, KafkaSettings, Security};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const BROKERS: &str = "AUTHME_TEST_KAFKA_BROKERS";
const SERVERS: &str = "AUTHME_TEST_SERVERS";

/// How long a trial may take: longer than any trial needs, and than the session timeout of a consumer group (45 s).
const TRIAL_TIMEOUT: Duration = Duration::from_mins(2);

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A broker that has every topic.
#[derive(Clone)]
struct Broker {
    settings: KafkaSettings,
}

impl Broker {
    async fn connect(brokers: String) -> Self {
        let broker = Self {
            settings: KafkaSettings {
                // The variable may name another machine.
                allow_insecure: true,
                ..KafkaSettings::new(brokers, Security::Plaintext)
            },
        };
        topics::create(&broker.publisher()).await;
        broker
    }

    fn publisher(&self) -> KafkaEventPublisher {
        KafkaEventPublisher::open(&self.settings).expect("the settings are valid")
    }

    fn consumer(&self, group: &str, topics: &[&str]) -> KafkaEventConsumer {
        KafkaEventConsumer::open(&self.settings, group, topics).expect("the settings are valid")
    }
}

fn run(trial: impl Future<Output = ()>) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let result = runtime.block_on(async { timeout(TRIAL_TIMEOUT, trial).await });
    result.map_err(|_| Failed::from("the trial took too long"))
}

/// Returns a trial on the broker. It is ignored if no broker is set, but fails if `AUTHME_TEST_SERVERS` requires one.
fn on_broker(name: &str, trial: fn(Broker) -> Running) -> Trial {
    let brokers = setting(BROKERS);
    let is_required = setting(SERVERS).is_some_and(|servers| servers == "required");
    let is_ignored = brokers.is_none() && !is_required;
    let test = move || {
        let brokers = brokers.ok_or_else(|| format!("{BROKERS} names no broker"))?;
        run(async { trial(Broker::connect(brokers).await).await })
    };
    Trial::test(format!("kafka::{name}"), test).with_ignored_flag(is_ignored)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the broker of a test is not a setting of AuthMe"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Creates a trial of each function, under its name.
macro_rules! trials {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$(on_broker(stringify!($name), |broker| Box::pin($module::$name(broker)))),*]
    };
}

fn main() {
    let mut trials = trials![
        topics::creating_topics_again_changes_nothing,
        publishing::an_event_has_the_documented_form,
        publishing::close_loses_no_event,
        publishing::java_clients_choose_the_same_partition,
        consuming::the_order_of_each_user_is_kept,
        consuming::an_event_not_done_is_delivered_again,
        consuming::a_foreign_record_is_reported_and_skipped,
    ];
    trials.push(Trial::test("kafka::publishing_without_brokers_fails_in_time", || {
        run(publishing::publishing_without_brokers_fails_in_time())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
