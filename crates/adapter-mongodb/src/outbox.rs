//! The outbox inside an aggregate's document: an array of events in order, and the sequence of the last event.
//!
//! The write that carries out a command pushes its events in the same update, so an event exists if and only if its
//! command was carried out (docs/protocols.md "Outbox"). Scenario with two separate writes: A locks a user, and the
//! process dies before it stores the event. No service ever learns of the lock.

use domain::event::{Event, EventContext, EventData, EventValue, NewEvent};
use domain::ids::{EventId, MalformedId, UserId};
use mongodb::bson::{Bson, DateTime, Document, doc, serialize_to_bson};
use ports::{Aggregate, MAX_PENDING_EVENTS};
use serde::{Deserialize, Serialize};

use crate::actor_document::ActorDocument;
use crate::bson_codec::{Reader, date, integer};
use crate::error::MongodbError;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventDocument {
    id: String,
    kind: String,
    pub(crate) sequence: u64,
    time: DateTime,
    /// Absent in events of older versions, which recorded no actor.
    #[serde(default)]
    by: ActorDocument,
    #[serde(default, rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    data: Vec<DatumDocument>,
}

/// A name and its value. Data is an array of these, because the order of its members is part of the event.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct DatumDocument {
    name: String,
    value: ValueDocument,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum ValueDocument {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
}

impl EventDocument {
    pub(crate) fn new(event: NewEvent, sequence: u64) -> Self {
        Self {
            id: event.context.id.0,
            kind: event.kind.name.to_owned(),
            sequence,
            time: date(event.context.time),
            by: (&event.context.by).into(),
            correlation_id: event.context.correlation_id,
            data: event.data.into_iter().map(datum).collect(),
        }
    }

    pub(crate) fn into_event(self, subject: &str, user: &UserId) -> Result<Event, MongodbError> {
        let id = self.id.clone();
        let reader = Reader::new("event", &id);
        let context = EventContext {
            id: EventId(self.id),
            time: reader.time(self.time)?,
            by: self.by.try_into().map_err(|error: MalformedId| reader.corrupt(error))?,
            correlation_id: self.correlation_id,
        };
        let new = NewEvent {
            context,
            kind: domain::event_type(&self.kind).ok_or_else(|| reader.corrupt("kind"))?,
            data: data(self.data),
        };
        Ok(new.into_event(subject, user.clone(), self.sequence))
    }
}

fn datum((name, value): (String, EventValue)) -> DatumDocument {
    let value = match value {
        EventValue::Text(text) => ValueDocument::Text(text),
        EventValue::Number(number) => ValueDocument::Number(number),
        EventValue::Flag(flag) => ValueDocument::Flag(flag),
        EventValue::List(list) => ValueDocument::List(list),
    };
    DatumDocument { name, value }
}

fn data(stored: Vec<DatumDocument>) -> EventData {
    let value = |value| match value {
        ValueDocument::Text(text) => EventValue::Text(text),
        ValueDocument::Number(number) => EventValue::Number(number),
        ValueDocument::Flag(flag) => EventValue::Flag(flag),
        ValueDocument::List(list) => EventValue::List(list),
    };
    stored
        .into_iter()
        .map(|datum| (datum.name, value(datum.value)))
        .collect()
}

/// Numbers events. `sequence` is the number of the last event before them.
pub(crate) fn number_events(events: Vec<NewEvent>, sequence: u64) -> Vec<EventDocument> {
    let numbers = sequence + 1..;
    events
        .into_iter()
        .zip(numbers)
        .map(|(event, number)| EventDocument::new(event, number))
        .collect()
}

/// Builds the filter for outboxes with room for `count` more events. It tests one array position instead of the length,
/// since a plain query filter cannot compare the length of an array with an inequality.
pub(crate) fn room_filter(count: usize) -> Document {
    let position = MAX_PENDING_EVENTS.saturating_sub(count);
    doc! { format!("outbox.{position}"): { "$exists": false } }
}

/// Builds the fields of a pipeline's `$set` that append events to the outbox and continue the numbering of the
/// document's sequence. Event data is wrapped in `$literal`, because a pipeline evaluates a text that begins with `$`
/// as an expression.
pub(crate) fn push_fields(events: Vec<NewEvent>) -> Result<Document, MongodbError> {
    let count = events.len();
    let mut pushed = Vec::with_capacity(count);
    for (event, position) in number_events(events, 0).into_iter().zip(1_i64..) {
        let literal =
            serialize_to_bson(&event).map_err(|error| MongodbError::corrupt("event", event.id.as_str(), error))?;
        pushed.push(Bson::Document(doc! { "$mergeObjects": [
            { "$literal": literal },
            { "sequence": { "$add": ["$sequence", position] } },
        ] }));
    }
    if pushed.is_empty() {
        return Ok(Document::new());
    }
    Ok(doc! {
        "outbox": { "$concatArrays": ["$outbox", pushed] },
        "sequence": { "$add": ["$sequence", integer(count as u64)] },
        "outboxPending": true,
    })
}

/// Returns the collection of an aggregate.
pub(crate) const fn collection(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Credential => crate::credential_lock::credential_locks::COLLECTION,
        Aggregate::FactorSet => crate::factors::factor_sets::COLLECTION,
        Aggregate::RefreshFamily => crate::sessions::refresh_families::COLLECTION,
    }
}

#[cfg(test)]
mod tests {
    use domain::actor::Actor;
    use domain::credential_lock::events::CREDENTIAL_LOCKED;
    use domain::time::Timestamp;
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let event = NewEvent {
            context: EventContext {
                id: EventId("0192f0c1-0000-7000-8000-000000000001".to_owned()),
                time: Timestamp::UNIX_EPOCH,
                by: Actor::operator("$root"),
                correlation_id: Some("request-1".to_owned()),
            },
            kind: CREDENTIAL_LOCKED,
            data: vec![
                ("epoch".to_owned(), EventValue::Number(1)),
                ("text".to_owned(), EventValue::Text("$text".to_owned())),
                ("tags".to_owned(), EventValue::List(vec!["MARKED_RESOURCES".to_owned()])),
                ("default".to_owned(), EventValue::Flag(true)),
            ],
        };
        let stored = serialize_to_document(&EventDocument::new(event, 7)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "id": "0192f0c1-0000-7000-8000-000000000001", "kind": "credential.locked", "sequence": 7, "time": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "operator": "$root" }, "correlationId": "request-1", "data": [{ "name": "epoch", "value": 1 }, { "name": "text", "value": "$text" }, { "name": "tags", "value": ["MARKED_RESOURCES"] }, { "name": "default", "value": true }] }"#);
    }

    #[test]
    fn older_stored_events_are_read_without_actor() {
        let stored = doc! {
            "id": "e", "kind": "credential.locked", "sequence": 7_i64, "time": DateTime::from_millis(0),
            "data": [{ "name": "by", "value": "desk" }],
        };
        let stored: EventDocument = mongodb::bson::deserialize_from_document(stored).unwrap();
        let event = stored.into_event("u", &UserId::parse("u").unwrap()).unwrap();
        assert!(event.by.is_unknown() && event.correlation_id.is_none());
    }
}
