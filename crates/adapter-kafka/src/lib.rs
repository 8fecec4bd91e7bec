//! Publishes events to Kafka and consumes them. No other crate depends on `rdkafka`.
//!
//! An event is a record in the binary mode of CloudEvents 1.0 (Kafka protocol binding 1.0.2, section 3.2): the
//! attributes are headers, `data` is the value, and the user id is the key. Delivery is at least once. After duplicates
//! are dropped, which [`LastSequences`] recognizes, events are in order per aggregate.

mod client_log;
mod consumer;
mod error;
mod event_message;
#[cfg(test)]
mod fixtures;
mod last_sequences;
mod publisher;
mod received_event;
mod settings;
mod topics;

pub use consumer::KafkaEventConsumer;
pub use error::{CloseError, ConsumeError, OpenError, TopicsError};
pub use last_sequences::LastSequences;
pub use publisher::KafkaEventPublisher;
pub use received_event::{Defect, ReceivedEvent, UnreadableRecord};
pub use settings::{KafkaPassword, KafkaSettings, ScramMechanism, Security};
pub use topics::topics;
