//! The outbox inside an aggregate's document: an array of events in order, and the sequence of the last event.
//!
//! The write that carries out a command pushes its events in the same update, so an event exists if and only if its
//! command was carried out (docs/protocols.md "Outbox"). Scenario with two separate writes: A locks a user, and the
//! process dies before it stores the event. No service ever learns of the lock.

use domain::event::{Event, NewEvent};
use domain::ids::UserId;
use mongodb::bson::{self, Document, doc, serialize_to_bson};
use ports::MAX_PENDING_EVENTS;
use stored_forms::EventForm;

use crate::bson_codec::{Bson, integer};
use crate::error::MongodbError;

/// The members of a document that belong to the relay. A write that replaces the rest of the document keeps them.
const RELAY_MEMBERS: [&str; 6] = [
    "sequence",
    "outbox",
    "outboxPending",
    "leaseOwner",
    "leaseUntil",
    "claim",
];

/// Builds the update that replaces a document, except `_id` and the members of the relay, and pushes the events: a
/// pipeline, because it keeps members. A member that `form` leaves out is gone. The form is wrapped in `$literal`, because
/// a pipeline evaluates a text that begins with `$` as an expression. The server keeps `_id`: FerretDB stores an `_id` of
/// the pipeline beside its own.
pub(crate) fn replace_update(
    form: impl Into<bson::Bson>,
    events: Vec<NewEvent>,
) -> Result<Vec<Document>, MongodbError> {
    let mut kept = Document::new();
    kept.extend(RELAY_MEMBERS.map(|member| (member.to_owned(), format!("${member}").into())));
    kept.extend(push_fields(events)?);
    Ok(vec![
        doc! { "$replaceWith": { "$mergeObjects": [{ "$literal": form.into() }, kept] } },
    ])
}

/// A pending event.
pub(crate) type PendingEvent = EventForm<Bson>;

/// Returns the event of the aggregate `subject`, which belongs to `user`.
pub(crate) fn into_event(pending: PendingEvent, subject: &str, user: &UserId) -> Result<Event, MongodbError> {
    let id = pending.id().to_owned();
    let event = pending.into_event(subject, user);
    event.map_err(|error| MongodbError::corrupt("event", &id, error.0))
}

/// Numbers events. `sequence` is the number of the last event before them.
pub(crate) fn number_events(events: Vec<NewEvent>, sequence: u64) -> Vec<PendingEvent> {
    let numbers = sequence + 1..;
    events
        .into_iter()
        .zip(numbers)
        .map(|(event, number)| PendingEvent::new(event, number))
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
        let literal = serialize_to_bson(&event).map_err(|error| MongodbError::corrupt("event", event.id(), error))?;
        pushed.push(bson::Bson::Document(doc! { "$mergeObjects": [
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

#[cfg(test)]
mod tests {
    use domain::actor::Actor;
    use domain::credential_lock::events::CREDENTIAL_LOCKED;
    use domain::event::{EventContext, EventValue};
    use domain::ids::EventId;
    use domain::time::Timestamp;
    use mongodb::bson::{DateTime, serialize_to_document};

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
        let stored = serialize_to_document(&PendingEvent::new(event, 7)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "id": "0192f0c1-0000-7000-8000-000000000001", "kind": "credential.locked", "sequence": 7, "time": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "operator": "$root" }, "correlationId": "request-1", "data": [{ "name": "epoch", "value": 1 }, { "name": "text", "value": "$text" }, { "name": "tags", "value": ["MARKED_RESOURCES"] }, { "name": "default", "value": true }] }"#);
    }

    #[test]
    fn older_stored_events_are_read_without_actor() {
        let stored = doc! {
            "id": "e", "kind": "credential.locked", "sequence": 7_i64, "time": DateTime::from_millis(0),
            "data": [{ "name": "by", "value": "desk" }],
        };
        let stored: PendingEvent = mongodb::bson::deserialize_from_document(stored).unwrap();
        let event = into_event(stored, "u", &UserId::parse("u").unwrap()).unwrap();
        assert!(event.by.is_unknown() && event.correlation_id.is_none());
    }
}
