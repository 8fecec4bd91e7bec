//! The outbox in an aggregate's row: a JSON array of the pending events, in order, and the sequence of the last event.
//!
//! The command that causes an event writes state, outbox and sequence in its own savepoint, so an event exists if
//! and only if its command was carried out (docs/protocols.md "Outbox").

use domain::event::{Event, EventContext, EventData, EventValue, NewEvent};
use domain::ids::{EventId, UserId};
use domain::time::Timestamp;
use ports::{Aggregate, MAX_PENDING_EVENTS};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::actor_document::ActorDocument;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, integer, to_json};

#[derive(Serialize, Deserialize)]
pub(crate) struct EventDocument {
    id: String,
    kind: String,
    pub(crate) sequence: u64,
    /// Milliseconds since 1970.
    time: i64,
    /// Absent in events that were stored before schema version 3.
    #[serde(default)]
    by: ActorDocument,
    #[serde(default, rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    data: EventDataDocument,
}

/// The stored form of an event's data: names and values in order.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EventDataDocument(Vec<(String, DatumDocument)>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DatumDocument {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
}

impl From<EventData> for EventDataDocument {
    fn from(data: EventData) -> Self {
        let datum = |datum| match datum {
            EventValue::Text(text) => DatumDocument::Text(text),
            EventValue::Number(number) => DatumDocument::Number(number),
            EventValue::Flag(flag) => DatumDocument::Flag(flag),
            EventValue::List(list) => DatumDocument::List(list),
        };
        Self(data.into_iter().map(|(name, value)| (name, datum(value))).collect())
    }
}

impl From<EventDataDocument> for EventData {
    fn from(document: EventDataDocument) -> Self {
        let datum = |datum| match datum {
            DatumDocument::Text(text) => EventValue::Text(text),
            DatumDocument::Number(number) => EventValue::Number(number),
            DatumDocument::Flag(flag) => EventValue::Flag(flag),
            DatumDocument::List(list) => EventValue::List(list),
        };
        document
            .0
            .into_iter()
            .map(|(name, value)| (name, datum(value)))
            .collect()
    }
}

impl EventDocument {
    pub(crate) fn new(event: NewEvent, sequence: u64) -> Self {
        Self {
            id: event.context.id.0,
            kind: event.kind.name.to_owned(),
            sequence,
            time: event.context.time.as_millisecond(),
            by: (&event.context.by).into(),
            correlation_id: event.context.correlation_id,
            data: event.data.into(),
        }
    }

    pub(crate) fn into_event(self, subject: &str, user: &UserId) -> Result<Event, SqliteError> {
        let corrupt = |cause: &str| SqliteError::corrupt("event", self.id.clone(), cause);
        let kind = domain::event_type(&self.kind).ok_or_else(|| corrupt("kind"))?;
        let time = Timestamp::from_millisecond(self.time).map_err(|_| corrupt("time"))?;
        let by = self.by.try_into().map_err(|_| corrupt("by"))?;
        let context = EventContext {
            id: EventId(self.id),
            time,
            by,
            correlation_id: self.correlation_id,
        };
        let new = NewEvent {
            context,
            kind,
            data: self.data.into(),
        };
        Ok(new.into_event(subject, user.clone(), self.sequence))
    }
}

/// Returns the table of an aggregate and its key column.
pub(crate) const fn table(aggregate: Aggregate) -> (&'static str, &'static str) {
    match aggregate {
        Aggregate::Credential => ("credentials", "user_id"),
        Aggregate::FactorSet => ("factor_sets", "user_id"),
        Aggregate::RefreshFamily => ("refresh_families", "family_id"),
    }
}

/// The pending events of a row, and the sequence of the last event that the row ever had.
pub(crate) struct Outbox {
    pub(crate) pending: Vec<EventDocument>,
    sequence: u64,
}

impl Outbox {
    /// Reads the outbox of a row. Returns `None` if the row does not exist.
    pub(crate) fn read(connection: &Connection, aggregate: Aggregate, key: &str) -> Result<Option<Self>, SqliteError> {
        let (table, column) = table(aggregate);
        let sql = format!("SELECT {column}, sequence, outbox FROM {table} WHERE {column} = ?1");
        row_codec::first(connection, &sql, [key], |row| {
            let row = Reader::new(table, row);
            Ok(Self {
                pending: row.json("outbox")?,
                sequence: row.count("sequence")?,
            })
        })
    }

    /// Appends the events and numbers them. Returns false, and changes nothing, if there is no room for all of them
    /// ([`MAX_PENDING_EVENTS`]).
    pub(crate) fn push(&mut self, events: Vec<NewEvent>) -> bool {
        if self.pending.len() + events.len() > MAX_PENDING_EVENTS {
            return false;
        }
        for event in events {
            self.sequence += 1;
            self.pending.push(EventDocument::new(event, self.sequence));
        }
        true
    }

    pub(crate) fn empty() -> Self {
        Self {
            pending: Vec::new(),
            sequence: 0,
        }
    }

    /// Writes the outbox to its row, which must exist.
    pub(crate) fn save(&self, connection: &Connection, aggregate: Aggregate, key: &str) -> Result<(), SqliteError> {
        let (table, column) = table(aggregate);
        let sql = format!("UPDATE {table} SET sequence = ?2, outbox = ?3, outbox_pending = ?4 WHERE {column} = ?1");
        let outbox = to_json("outbox", &self.pending)?;
        row_codec::execute(
            connection,
            &sql,
            (key, integer(self.sequence), outbox, !self.pending.is_empty()),
        )
        .map(drop)
    }

    /// Removes the published events: all up to `sequence`.
    pub(crate) fn prune(&mut self, sequence: u64) {
        self.pending.retain(|event| event.sequence > sequence);
    }
}
