use std::sync::Arc;

use async_trait::async_trait;
use domain::event::{Event, EventContext, NewEvent};
use domain::ids::{EventId, UserId};
use domain::time::Timestamp;
use ports::{Cursor, EventLog, EventLogError, EventPublisher, LoggedEvent, PublishError, StoreError};
use rusqlite::{Connection, Row};
use stored_forms::{ActorForm, EventDataForm};
use tokio::sync::watch;

use crate::database::Database;
use crate::error::{OpenError, SqliteError};
use crate::outbox::Outbox;
use crate::row_codec::{self, Reader, integer, to_json};

/// The embedded event log: a table from whose end nothing is ever removed.
pub(crate) struct SqliteEventLog {
    database: Arc<Database>,
    /// The cursor of the last event; wakes readers that wait at the end of the log.
    head: watch::Sender<u64>,
}

impl SqliteEventLog {
    pub(crate) fn new(database: Arc<Database>) -> Result<Self, OpenError> {
        let sql = "SELECT coalesce(max(cursor), 0) AS head FROM events";
        let head = database
            .read(|connection| row_codec::first(connection, sql, [], |row| Reader::new("event", row).count("head")));
        Ok(Self {
            database,
            head: watch::Sender::new(head?.unwrap_or_default()),
        })
    }
}

/// Appends the event to the log and removes it from its outbox, in one transaction, so that the log holds each event
/// once. Returns its cursor. If the event is not in the outbox, changes nothing and returns `None`.
///
/// The relay publishes an event, and the answer is lost. The relay publishes the event again. The event is not in the
/// outbox, because it was appended the first time.
fn append(connection: &Connection, event: Event) -> Result<Option<u64>, SqliteError> {
    let Some(mut outbox) = Outbox::read(connection, event.kind.aggregate, &event.subject)? else {
        return Ok(None);
    };
    if !outbox.pending.iter().any(|pending| pending.sequence == event.sequence) {
        return Ok(None);
    }
    let sql = "INSERT INTO events (id, kind, subject, user_id, sequence, time, actor, correlation_id, data)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let actor = to_json("event", &ActorForm::from(&event.by))?;
    let data = to_json("event", &EventDataForm::from(event.data))?;
    row_codec::execute(
        connection,
        sql,
        (
            event.id.0,
            event.kind.name,
            &event.subject,
            event.user.as_str(),
            integer(event.sequence),
            event.time.as_millisecond(),
            actor,
            &event.correlation_id,
            data,
        ),
    )?;
    let cursor = u64::try_from(connection.last_insert_rowid()).unwrap_or_default();
    outbox.prune(event.sequence);
    outbox.save(connection, event.kind.aggregate, &event.subject)?;
    Ok(Some(cursor))
}

fn logged_event(row: &Row<'_>) -> Result<LoggedEvent, SqliteError> {
    let row = Reader::new("event", row);
    let kind: String = row.column("kind")?;
    let actor = row.json::<ActorForm>("actor")?;
    let context = EventContext {
        id: EventId(row.column("id")?),
        time: row.time("time")?,
        by: actor.read().map_err(|error| row.corrupt(error.0))?,
        correlation_id: row.column("correlation_id")?,
    };
    let new = NewEvent {
        context,
        kind: domain::event_type(&kind).ok_or_else(|| row.corrupt("kind"))?,
        data: row.json::<EventDataForm>("data")?.into(),
    };
    let subject: String = row.column("subject")?;
    let event = new.into_event(subject, row.parse("user_id", UserId::parse)?, row.count("sequence")?);
    Ok(LoggedEvent {
        cursor: Cursor(row.count("cursor")?),
        event,
    })
}

#[async_trait]
impl EventPublisher for SqliteEventLog {
    async fn publish(&self, event: &Event) -> Result<(), PublishError> {
        let event = event.clone();
        let cursor = self.database.write(move |connection| append(connection, event)).await;
        if let Some(cursor) = cursor.map_err(|error| PublishError(Box::new(error)))? {
            // Two calls may get here in another order than their events were appended in.
            self.head.send_modify(|head| *head = cursor.max(*head));
        }
        Ok(())
    }
}

/// Returns whether a consumer that has read up to `cursor` has missed events.
fn has_missed(connection: &Connection, cursor: Cursor) -> Result<bool, SqliteError> {
    let sql = "SELECT 1 FROM event_gaps WHERE first <= ?1 AND through > ?1";
    Ok(row_codec::first(connection, sql, [integer(cursor.0)], |_| Ok(()))?.is_some())
}

/// Reads a page, and checks for missed events in the same read transaction. Otherwise: the check finds nothing, the next
/// events are removed, and the page begins behind them.
fn read_page(
    connection: &Connection,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Option<Vec<LoggedEvent>>, SqliteError> {
    let transaction = connection.unchecked_transaction()?;
    if let Some(after) = after
        && has_missed(&transaction, after)?
    {
        return Ok(None);
    }
    let sql = "SELECT cursor, id, kind, subject, user_id, sequence, time, actor, correlation_id, data FROM events WHERE cursor > ?1 ORDER BY cursor LIMIT ?2";
    let after = after.unwrap_or_default();
    row_codec::all(
        &transaction,
        sql,
        (integer(after.0), integer(limit as u64)),
        logged_event,
    )
    .map(Some)
}

/// Removes the oldest events in the order of their cursors, and records up to which cursor.
fn remove(connection: &Connection, before: Timestamp, limit: usize) -> Result<usize, SqliteError> {
    let sql = "SELECT cursor, time FROM events ORDER BY cursor LIMIT ?1";
    let oldest = row_codec::all(connection, sql, [integer(limit as u64)], |row| {
        let row = Reader::new("event", row);
        Ok((row.count("cursor")?, row.time("time")?))
    })?;
    let expired = oldest.into_iter().take_while(|(_, time)| *time < before);
    let Some((through, _)) = expired.last() else {
        return Ok(0);
    };
    let through = integer(through);
    let removed = row_codec::execute(connection, "DELETE FROM events WHERE cursor <= ?1", [through])?;
    row_codec::execute(connection, "DELETE FROM event_gaps WHERE through <= ?1", [through])?;
    row_codec::execute(
        connection,
        "INSERT OR REPLACE INTO event_gaps (first, through) VALUES (0, ?1)",
        [through],
    )?;
    Ok(removed)
}

#[async_trait]
impl EventLog for SqliteEventLog {
    async fn read(&self, after: Option<Cursor>, limit: usize) -> Result<Vec<LoggedEvent>, EventLogError> {
        let page = self
            .database
            .scan(move |connection| read_page(connection, after, limit));
        page.await?.ok_or(EventLogError::Missed(after.unwrap_or_default().0))
    }

    async fn remove(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.database
            .write(move |connection| remove(connection, before, limit))
            .await
    }

    async fn wait_after(&self, after: Cursor) {
        // The wait fails only after the sender is dropped, and this log owns it.
        let _ = self.head.subscribe().wait_for(|head| *head > after.0).await;
    }
}
