//! The outbox inside an aggregate's document: an array of events in order, and the document's own sequence.

use domain::event::{Datum, Event, EventData, EventKind, NewEvent};
use domain::ids::{EventId, UserId};
use mongodb::bson::{Bson, DateTime, Document, doc, serialize_to_bson};
use ports::{Aggregate, MAX_PENDING_EVENTS};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::stored::{Reader, date, integer};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventDocument {
    id: String,
    kind: String,
    pub(crate) sequence: u64,
    time: DateTime,
    data: Vec<DatumDocument>,
}

/// A name and its value; an array of them keeps their order.
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
            id: event.id.0,
            kind: event.kind.name().to_owned(),
            sequence,
            time: date(event.time),
            data: event.data.into_iter().map(datum).collect(),
        }
    }

    pub(crate) fn into_event(self, subject: &str, user: &UserId) -> Result<Event, Fault> {
        let id = self.id.clone();
        let reader = Reader::new("event", &id);
        let new = NewEvent {
            id: EventId(self.id),
            kind: EventKind::parse(&self.kind).ok_or_else(|| reader.corrupt("kind"))?,
            time: reader.time(self.time)?,
            data: data(self.data),
        };
        Ok(new.recorded(subject, user.clone(), self.sequence))
    }
}

fn datum((name, value): (String, Datum)) -> DatumDocument {
    let value = match value {
        Datum::Text(text) => ValueDocument::Text(text),
        Datum::Number(number) => ValueDocument::Number(number),
        Datum::Flag(flag) => ValueDocument::Flag(flag),
        Datum::List(list) => ValueDocument::List(list),
    };
    DatumDocument { name, value }
}

fn data(stored: Vec<DatumDocument>) -> EventData {
    let value = |value| match value {
        ValueDocument::Text(text) => Datum::Text(text),
        ValueDocument::Number(number) => Datum::Number(number),
        ValueDocument::Flag(flag) => Datum::Flag(flag),
        ValueDocument::List(list) => Datum::List(list),
    };
    stored
        .into_iter()
        .map(|datum| (datum.name, value(datum.value)))
        .collect()
}

/// Numbers `events` from the one after `sequence`.
pub(crate) fn numbered(events: Vec<NewEvent>, sequence: u64) -> Vec<EventDocument> {
    let numbers = sequence + 1..;
    events
        .into_iter()
        .zip(numbers)
        .map(|(event, number)| EventDocument::new(event, number))
        .collect()
}

/// The condition that `count` more events fit into the outbox.
pub(crate) fn has_room_for(count: usize) -> Document {
    let last_but = MAX_PENDING_EVENTS.saturating_sub(count);
    doc! { format!("outbox.{last_but}"): { "$exists": false } }
}

/// The fields of a pipeline's `$set` that push `events` behind those the document has, numbered on from its sequence.
/// What came from outside stands under `$literal`: in a pipeline a text that begins with `$` would be evaluated.
pub(crate) fn push(events: Vec<NewEvent>) -> Result<Document, Fault> {
    let count = events.len();
    let mut pushed = Vec::with_capacity(count);
    for (event, place) in numbered(events, 0).into_iter().zip(1_i64..) {
        let literal = serialize_to_bson(&event).map_err(|error| Fault::corrupt("event", event.id.as_str(), error))?;
        pushed.push(Bson::Document(doc! { "$mergeObjects": [
            { "$literal": literal },
            { "sequence": { "$add": ["$sequence", place] } },
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

/// The collection that holds an aggregate.
pub(crate) const fn collection(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Credential => crate::credential_lock::credentials::COLLECTION,
        Aggregate::FactorSet => crate::factors::factor_sets::COLLECTION,
        Aggregate::RefreshFamily => crate::tokens::refresh_families::COLLECTION,
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let event = NewEvent {
            id: EventId("0192f0c1-0000-7000-8000-000000000001".to_owned()),
            kind: EventKind::CredentialLocked,
            time: Timestamp::UNIX_EPOCH,
            data: vec![
                ("epoch".to_owned(), Datum::Number(1)),
                ("by".to_owned(), Datum::Text("$by".to_owned())),
                ("tags".to_owned(), Datum::List(vec!["MARKED_RESOURCES".to_owned()])),
                ("default".to_owned(), Datum::Flag(true)),
            ],
        };
        let stored = serialize_to_document(&EventDocument::new(event, 7)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "id": "0192f0c1-0000-7000-8000-000000000001", "kind": "credential.locked", "sequence": 7, "time": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "data": [{ "name": "epoch", "value": 1 }, { "name": "by", "value": "$by" }, { "name": "tags", "value": ["MARKED_RESOURCES"] }, { "name": "default", "value": true }] }"#);
    }
}
