//! Events that the services publish, in the terms of CloudEvents 1.0. Consumers find their data in `docs/events.md`.

use crate::actor::Actor;
use crate::ids::{EventId, UserId};
use crate::time::Timestamp;

/// The type of an event: a constant of the context that publishes it. [`event_types`](crate::event_types) lists all.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct EventType {
    /// The CloudEvents attribute `type`.
    pub name: &'static str,
    /// The CloudEvents attribute `source`: the service that publishes the event.
    pub source: &'static str,
    /// The Kafka topic.
    pub topic: &'static str,
    /// The aggregate whose outbox the event is pushed to.
    pub aggregate: &'static str,
}

/// A value in an event's data. It is never a secret or an unmasked contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventValue {
    /// A JSON string.
    Text(String),
    /// A JSON number.
    Number(u64),
    /// `true` or `false`.
    Flag(bool),
    /// An array of JSON strings.
    List(Vec<String>),
}

impl From<&str> for EventValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Members of an event's data, in the order in which they are written.
pub type EventData = Vec<(String, EventValue)>;

/// The attributes that events of every type have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventContext {
    /// Generated before the write, so that a repeated write stores the same event.
    pub id: EventId,
    /// The time of the command, not of its publication.
    pub time: Timestamp,
    /// The actor that caused the event; published as the member `by` of the data.
    pub by: Actor,
    /// The id of the request that caused it, published as the CloudEvents extension attribute `correlationid`; `None`
    /// for an operator's command.
    pub correlation_id: Option<String>,
}

/// An event without a sequence. The write that stores its aggregate numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Id, time and cause.
    pub context: EventContext,
    /// Decides `type`, `source` and topic.
    pub kind: &'static EventType,
    /// Members that depend on the type.
    pub data: EventData,
}

impl NewEvent {
    /// Returns the event as number `sequence` of the aggregate `subject`, which belongs to `user`.
    pub fn into_event(self, subject: impl Into<String>, user: UserId, sequence: u64) -> Event {
        let Self { context, kind, data } = self;
        Event {
            id: context.id,
            kind,
            subject: subject.into(),
            user,
            sequence,
            time: context.time,
            by: context.by,
            correlation_id: context.correlation_id,
            data,
        }
    }
}

/// An event that its aggregate has numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The CloudEvents attribute `id`; a consumer that receives it twice drops the second event.
    pub id: EventId,
    /// Decides `type`, `source` and topic.
    pub kind: &'static EventType,
    /// The id of the aggregate: the user's, or the family's for a session event.
    pub subject: String,
    /// The key of the Kafka record, so that the events of one user share a partition.
    pub user: UserId,
    /// The number of the event within its aggregate, counted from 1 without gaps.
    pub sequence: u64,
    /// The time of the command, not of its publication.
    pub time: Timestamp,
    /// The actor that caused the event; unknown for events that were stored before actors were recorded.
    pub by: Actor,
    /// The id of the request that caused it.
    pub correlation_id: Option<String>,
    /// Does not hold `by`, which the publisher adds.
    pub data: EventData,
}
