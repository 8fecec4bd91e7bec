//! The outbox in an aggregate's row: a JSON array of the pending events, in order, and the sequence of the last event.
//!
//! The command that causes an event writes state, outbox and sequence in its own savepoint, so an event exists if
//! and only if its command was carried out (docs/protocols.md "Outbox").

use domain::event::{Event, NewEvent};
use domain::ids::UserId;
use ports::MAX_PENDING_EVENTS;
use rusqlite::Connection;
use stored_forms::{EventForm, Json};

use crate::error::SqliteError;
use crate::row_codec::{self, Reader, integer, to_json};
use crate::store_base;

/// A pending event.
pub(crate) type PendingEvent = EventForm<Json>;

/// Returns the event of the aggregate `subject`, which belongs to `user`.
pub(crate) fn into_event(pending: PendingEvent, subject: &str, user: &UserId) -> Result<Event, SqliteError> {
    let id = pending.id().to_owned();
    let event = pending.into_event(subject, user);
    event.map_err(|error| SqliteError::corrupt("event", id, error.0))
}

/// The pending events of a row, and the sequence of the last event that the row ever had.
pub(crate) struct Outbox {
    pub(crate) pending: Vec<PendingEvent>,
    sequence: u64,
}

impl Outbox {
    /// Reads the outbox of a row. Returns `None` if the row does not exist.
    pub(crate) fn read(connection: &Connection, table: &'static str, key: &str) -> Result<Option<Self>, SqliteError> {
        let sql = format!("SELECT key, sequence, outbox FROM {table} WHERE key = ?1");
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
    ///
    /// Every number is above the base of the store. A consumer has seen number 5 of a user. The store is restored from a
    /// backup with number 3. If the next event had number 4, the consumer would drop it as a repetition.
    pub(crate) fn push(&mut self, connection: &Connection, events: Vec<NewEvent>) -> Result<bool, SqliteError> {
        if self.pending.len() + events.len() > MAX_PENDING_EVENTS {
            return Ok(false);
        }
        self.sequence = self.sequence.max(store_base::read(connection)?);
        for event in events {
            self.sequence += 1;
            self.pending.push(PendingEvent::new(event, self.sequence));
        }
        Ok(true)
    }

    pub(crate) fn empty() -> Self {
        Self {
            pending: Vec::new(),
            sequence: 0,
        }
    }

    /// Writes the outbox to its row, which must exist.
    pub(crate) fn save(&self, connection: &Connection, table: &'static str, key: &str) -> Result<(), SqliteError> {
        let sql = format!("UPDATE {table} SET sequence = ?2, outbox = ?3, outbox_pending = ?4 WHERE key = ?1");
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
