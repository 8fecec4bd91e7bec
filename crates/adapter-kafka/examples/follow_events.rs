//! A consumer for the benchmarks, which prints every event of the topics, from the oldest that is kept.
//!
//! `follow_events BROKERS GROUP` prints one JSON object a line until it is killed: the time at which the event arrived,
//! in microseconds since 1970, and its id, type, subject and sequence.

use std::error::Error;
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use adapter_kafka::{ConsumeError, KafkaEventConsumer, KafkaSettings, Security, topics};

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark compares the clocks of two processes"
)]
fn microseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()
}

async fn follow(brokers: &str, group: &str) -> Result<(), Box<dyn Error>> {
    let settings = KafkaSettings {
        allow_insecure: true,
        ..KafkaSettings::new(brokers, Security::Plaintext)
    };
    let consumer = KafkaEventConsumer::open(&settings, group, &topics())?;
    let mut stdout = io::stdout().lock();
    loop {
        let received = match consumer.next().await {
            Ok(received) => received,
            Err(ended @ ConsumeError::Ended(_)) => return Err(ended.into()),
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let arrived = microseconds();
        if let Ok(event) = received.event {
            let line = serde_json::json!({
                "arrived": arrived,
                "id": event.id.0,
                "type": event.kind.name,
                "subject": event.subject,
                "sequence": event.sequence,
            });
            writeln!(stdout, "{line}")?;
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(brokers), Some(group)) = (arguments.next(), arguments.next()) else {
        return Err("usage: follow_events BROKERS GROUP".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(follow(&brokers, &group))
}
