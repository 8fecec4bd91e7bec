use std::sync::Arc;

use async_trait::async_trait;
use domain::actor::Actor;
use domain::credential_lock::{CredentialLock, LockReason};
use domain::event::NewEvent;
use domain::ids::UserId;
use domain::time::Timestamp;
use ports::credential_lock::CredentialLocks;
use ports::{Aggregate, SaveOutcome, StoreError};
use rusqlite::{Connection, Row};

use crate::actor_document::ActorDocument;
use crate::database::Database;
use crate::error::SqliteError;
use crate::outbox::Outbox;
use crate::row_codec::{self, Reader, integer, to_json};

pub(crate) struct SqliteCredentialLocks(pub(crate) Arc<Database>);

fn credential(row: &Row<'_>) -> Result<CredentialLock, SqliteError> {
    let row = Reader::new("credential", row);
    let reason: Option<String> = row.column("reason")?;
    Ok(CredentialLock {
        user: row.parse("user_id", UserId::parse)?,
        version: row.count("version")?,
        is_locked: row.column("locked")?,
        epoch: row.count("epoch")?,
        since: row.optional_time("since")?,
        by: match row.column::<Option<String>>("actor")? {
            Some(_) => Some(Actor::try_from(row.json::<ActorDocument>("actor")?).map_err(|error| row.corrupt(error))?),
            None => None,
        },
        reason: reason
            .map(LockReason::parse)
            .transpose()
            .map_err(|error| row.corrupt(error))?,
    })
}

fn find(connection: &Connection, user: &str) -> Result<Option<CredentialLock>, SqliteError> {
    let sql = "SELECT user_id, version, locked, epoch, since, actor, reason FROM credentials WHERE user_id = ?1";
    row_codec::first(connection, sql, [user], credential)
}

fn save(
    connection: &Connection,
    credential: &CredentialLock,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, SqliteError> {
    let user = credential.user.as_str();
    let sql = "SELECT user_id, version FROM credentials WHERE user_id = ?1";
    let stored = row_codec::first(connection, sql, [user], |row| {
        Reader::new("credential", row).count("version")
    })?;
    if stored.unwrap_or(0) != credential.version {
        return Ok(SaveOutcome::Conflict);
    }
    let mut outbox = Outbox::read(connection, Aggregate::Credential, user)?.unwrap_or_else(Outbox::empty);
    if !outbox.push(events) {
        return Ok(SaveOutcome::OutboxFull);
    }
    let sql = "INSERT INTO credentials (user_id, version, locked, epoch, since, actor, reason, sequence)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)
               ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, locked = excluded.locked,
                   epoch = excluded.epoch, since = excluded.since, actor = excluded.actor, reason = excluded.reason";
    let actor = credential.by.as_ref();
    let actor = actor.map(|actor| to_json("credential", &ActorDocument::from(actor)));
    let parameters = (
        user,
        integer(credential.version + 1),
        credential.is_locked,
        integer(credential.epoch),
        credential.since.map(Timestamp::as_millisecond),
        actor.transpose()?,
        credential.reason.as_ref().map(LockReason::as_str),
    );
    row_codec::execute(connection, sql, parameters)?;
    outbox.save(connection, Aggregate::Credential, user)?;
    Ok(SaveOutcome::Saved)
}

#[async_trait]
impl CredentialLocks for SqliteCredentialLocks {
    async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        self.0.read(|connection| find(connection, user.as_str()))
    }

    async fn save_if_version(
        &self,
        credential: &CredentialLock,
        events: Vec<NewEvent>,
    ) -> Result<SaveOutcome, StoreError> {
        let credential = credential.clone();
        let has_events = !events.is_empty();
        let outcome = self
            .0
            .write(move |connection| save(connection, &credential, events))
            .await?;
        if has_events && outcome == SaveOutcome::Saved {
            self.0.notify_event();
        }
        Ok(outcome)
    }
}
