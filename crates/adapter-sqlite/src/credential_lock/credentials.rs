use std::sync::Arc;

use async_trait::async_trait;
use domain::actor::Actor;
use domain::credential_lock::{Credential, LockCommand, LockReason, events};
use domain::ids::UserId;
use domain::time::Timestamp;
use ports::credential_lock::{Credentials, Turn};
use ports::{Aggregate, StoreFailure};
use rusqlite::{Connection, Row};

use crate::actor_document::ActorDocument;
use crate::database::Database;
use crate::fault::Fault;
use crate::outbox::Outbox;
use crate::rows::{self, Reader, integer, to_json};

pub(crate) struct SqliteCredentials(pub(crate) Arc<Database>);

fn credential(row: &Row<'_>) -> Result<Credential, Fault> {
    let row = Reader::new("credential", row);
    let reason: Option<String> = row.column("reason")?;
    Ok(Credential {
        user: row.parsed("user_id", UserId::parse)?,
        locked: row.column("locked")?,
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

fn find(connection: &Connection, user: &str) -> Result<Option<Credential>, Fault> {
    let sql = "SELECT user_id, locked, epoch, since, actor, reason FROM credentials WHERE user_id = ?1";
    rows::first(connection, sql, [user], credential)
}

fn save(connection: &Connection, credential: &Credential) -> Result<(), Fault> {
    let sql = "INSERT INTO credentials (user_id, locked, epoch, since, actor, reason, sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
               ON CONFLICT (user_id) DO UPDATE SET locked = excluded.locked, epoch = excluded.epoch, since = excluded.since,
                   actor = excluded.actor, reason = excluded.reason";
    let actor = credential
        .by
        .as_ref()
        .map(|actor| to_json("credential", &ActorDocument::from(actor)));
    let parameters = (
        credential.user.as_str(),
        credential.locked,
        integer(credential.epoch),
        credential.since.map(Timestamp::as_millisecond),
        actor.transpose()?,
        credential.reason.as_ref().map(LockReason::as_str),
    );
    rows::execute(connection, sql, parameters).map(drop)
}

type TurnRule = fn(&Credential, &LockCommand) -> Option<Credential>;

fn turn(connection: &Connection, command: &LockCommand, rule: TurnRule) -> Result<Turn, Fault> {
    let user = command.user.as_str();
    let before = find(connection, user)?.unwrap_or_else(|| Credential::unlocked(command.user.clone()));
    let Some(after) = rule(&before, command) else {
        return Ok(Turn::Already);
    };
    let mut outbox = Outbox::read(connection, Aggregate::Credential, user)?.unwrap_or_else(Outbox::empty);
    if !outbox.push(vec![events::turned(&after, command)]) {
        return Ok(Turn::OutboxFull);
    }
    save(connection, &after)?;
    outbox.save(connection, Aggregate::Credential, user)?;
    Ok(Turn::Turned(after))
}

impl SqliteCredentials {
    async fn turn(&self, command: &LockCommand, rule: TurnRule) -> Result<Turn, StoreFailure> {
        let command = command.clone();
        let turned = self.0.write(move |connection| turn(connection, &command, rule)).await?;
        if matches!(turned, Turn::Turned(_)) {
            self.0.event_pushed();
        }
        Ok(turned)
    }
}

#[async_trait]
impl Credentials for SqliteCredentials {
    async fn find(&self, user: &UserId) -> Result<Option<Credential>, StoreFailure> {
        self.0.read(|connection| find(connection, user.as_str()))
    }

    async fn lock(&self, command: &LockCommand) -> Result<Turn, StoreFailure> {
        self.turn(command, Credential::lock).await
    }

    async fn unlock(&self, command: &LockCommand) -> Result<Turn, StoreFailure> {
        self.turn(command, Credential::unlock).await
    }
}
