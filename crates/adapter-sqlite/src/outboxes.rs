use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::time::{self, Timestamp};
use ports::{Aggregate, Backlog, Lease, Outboxes, PendingOutbox, Settlement, StoreError};
use rusqlite::{Connection, Row};

use crate::database::Database;
use crate::error::SqliteError;
use crate::outbox::{EventDocument, Outbox, table};
use crate::row_codec::{self, Reader, integer};

pub(crate) struct SqliteOutboxes {
    database: Arc<Database>,
    /// How many could not be read so far.
    unreadable: AtomicU64,
}

impl SqliteOutboxes {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            unreadable: AtomicU64::new(0),
        }
    }
}

/// An outbox that cannot be read is left alone for so long.
const LONGEST_HOLD: Duration = Duration::from_mins(1);

fn claim(connection: &Connection, aggregate: Aggregate, lease: &Lease, limit: usize) -> Result<Claimed, SqliteError> {
    let (table, key) = table(aggregate);
    let sql = format!(
        "UPDATE {table} SET lease_owner = ?1, lease_until = ?2 WHERE {key} IN (
             SELECT {key} FROM {table}
             WHERE outbox_pending = 1
                 AND (lease_until IS NULL OR lease_until <= ?3 OR lease_until > ?5 OR lease_owner = ?1) LIMIT ?4
         ) RETURNING {key}, user_id, outbox"
    );
    let until = time::after(lease.now, lease.length).as_millisecond();
    // Nobody claims for so long: whoever did had a clock that was far ahead.
    let never = time::after(lease.now, 2 * lease.length + LONGEST_HOLD).as_millisecond();
    let limit = integer(limit as u64);
    let parameters = (&lease.owner, until, lease.now.as_millisecond(), limit, never);
    let claimed = row_codec::all(connection, &sql, parameters, |row| {
        Ok((row.get::<_, String>(key)?, pending(aggregate, row)))
    })?;
    let mut readable = Claimed::default();
    for (name, outbox) in claimed {
        match outbox {
            Ok(outbox) => readable.outboxes.push(outbox),
            Err(fault) => {
                readable.unreadable += 1;
                tracing::error!(
                    table,
                    key = name,
                    error = &fault as &dyn std::error::Error,
                    "an outbox cannot be read"
                );
                extend_lease(connection, aggregate, &name, lease)?;
            }
        }
    }
    Ok(readable)
}

/// What a claim came to.
#[derive(Default)]
struct Claimed {
    outboxes: Vec<PendingOutbox>,
    /// How many more there were that could not be read.
    unreadable: u64,
}

/// Leaves an outbox alone for a while: perhaps a newer relay can read it.
fn extend_lease(connection: &Connection, aggregate: Aggregate, name: &str, lease: &Lease) -> Result<(), SqliteError> {
    let (table, key) = table(aggregate);
    let sql = format!("UPDATE {table} SET lease_owner = NULL, lease_until = ?2 WHERE {key} = ?1");
    let later = time::after(lease.now, LONGEST_HOLD).as_millisecond();
    row_codec::execute(connection, &sql, (name, later)).map(drop)
}

fn pending(aggregate: Aggregate, row: &Row<'_>) -> Result<PendingOutbox, SqliteError> {
    let (table, key) = table(aggregate);
    let row = Reader::new(table, row);
    let key: String = row.column(key)?;
    let user = row.parse("user_id", UserId::parse)?;
    let waiting: Vec<EventDocument> = row.json("outbox")?;
    let events = waiting
        .into_iter()
        .map(|event| event.into_event(&key, &user))
        .collect::<Result<_, SqliteError>>()?;
    Ok(PendingOutbox { aggregate, key, events })
}

fn settle(connection: &Connection, owner: &str, settlement: &Settlement) -> Result<(), SqliteError> {
    let Settlement {
        aggregate,
        key,
        published,
        held_until,
    } = settlement;
    if let Some(sequence) = *published
        && let Some(mut outbox) = Outbox::read(connection, *aggregate, key)?
        && outbox.waiting.iter().any(|event| event.sequence <= sequence)
    {
        outbox.prune(sequence);
        outbox.save(connection, *aggregate, key)?;
    }
    let (table, column) = table(*aggregate);
    let sql =
        format!("UPDATE {table} SET lease_owner = NULL, lease_until = ?3 WHERE {column} = ?1 AND lease_owner = ?2");
    let held_until = held_until.map(Timestamp::as_millisecond);
    row_codec::execute(connection, &sql, (key, owner, held_until)).map(drop)
}

fn anything_pending(connection: &Connection, aggregate: Aggregate) -> Result<bool, SqliteError> {
    let (table, _) = table(aggregate);
    let sql = format!("SELECT 1 FROM {table} WHERE outbox_pending = 1 LIMIT 1");
    Ok(row_codec::first(connection, &sql, [], |_| Ok(()))?.is_some())
}

#[async_trait]
impl Outboxes for SqliteOutboxes {
    async fn claim(&self, lease: &Lease, limit: usize) -> Result<Vec<PendingOutbox>, StoreError> {
        let mut waiting = Vec::new();
        for aggregate in Aggregate::ALL {
            if self
                .database
                .read(|connection| anything_pending(connection, aggregate))?
            {
                waiting.push(aggregate);
            }
        }
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let lease = lease.clone();
        let claimed = self.database.write(move |connection| {
            let mut claimed = Claimed::default();
            for aggregate in waiting {
                let rest = limit.saturating_sub(claimed.outboxes.len());
                let more = claim(connection, aggregate, &lease, rest)?;
                claimed.outboxes.extend(more.outboxes);
                claimed.unreadable += more.unreadable;
            }
            Ok(claimed)
        });
        let Claimed { outboxes, unreadable } = claimed.await?;
        self.unreadable.fetch_add(unreadable, Ordering::Relaxed);
        Ok(outboxes)
    }

    async fn settle(&self, owner: &str, settlements: &[Settlement]) -> Result<(), StoreError> {
        let (owner, settlements) = (owner.to_owned(), settlements.to_vec());
        self.database
            .write(move |connection| {
                settlements
                    .iter()
                    .try_for_each(|settlement| settle(connection, &owner, settlement))
            })
            .await
    }

    async fn wait_for_event(&self) {
        self.database.wait_for_event().await;
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let unreadable = self.unreadable.load(Ordering::Relaxed);
        self.database
            .scan(move |connection| {
                let mut backlog = Backlog {
                    unreadable,
                    ..Backlog::default()
                };
                for aggregate in Aggregate::ALL {
                    let (table, _) = table(aggregate);
                    let sql = format!(
                        "SELECT count(*) AS depth, min(json_extract(outbox, '$[0].time')) AS oldest FROM {table} WHERE outbox_pending = 1"
                    );
                    let one = row_codec::first(connection, &sql, [], |row| {
                        let row = Reader::new("outbox", row);
                        Ok((row.count("depth")?, row.optional_time("oldest")?))
                    })?;
                    let (depth, oldest): (u64, Option<Timestamp>) = one.unwrap_or_default();
                    backlog.depth += depth;
                    backlog.oldest = [backlog.oldest, oldest].into_iter().flatten().min();
                }
                Ok(backlog)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use domain::actor::Actor;
    use domain::credential_lock::{CredentialLock, LockCommand, events};
    use domain::event::EventContext;
    use domain::ids::EventId;

    use super::*;
    use crate::SqliteSettings;

    const LEASE: Duration = Duration::from_secs(5);

    async fn lock(stores: &crate::Stores, name: &str) {
        let command = LockCommand {
            user: UserId::parse(name).unwrap(),
            reason: None,
            context: EventContext {
                id: EventId(name.to_owned()),
                time: Timestamp::UNIX_EPOCH,
                by: Actor::default(),
                correlation_id: None,
            },
        };
        let locked = CredentialLock::unlocked(command.user.clone()).lock(&command).unwrap();
        let told = vec![events::lock_changed(&locked, &command)];
        stores.credential_locks.save_if_version(&locked, told).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_outbox_that_cannot_be_read_holds_up_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let settings = SqliteSettings {
            file: file.clone(),
            workers: 1,
        };
        let stores = crate::open(&settings).unwrap();
        let newer = [
            (
                "of-a-newer-kind",
                "json_set(outbox, '$[0].kind', 'credential.of-a-later-version')",
            ),
            ("without-an-id", "json_remove(outbox, '$[0].id')"),
            (
                "with-data-of-a-newer-form",
                "json_set(outbox, '$[0].data', json('{\"by\":{\"client\":\"desk\"}}'))",
            ),
            ("that-is-no-list", "'{}'"),
        ];
        let operator = Connection::open(&file).unwrap();
        for (name, outbox) in newer {
            lock(&stores, name).await;
            let sql = format!("UPDATE credentials SET outbox = {outbox} WHERE user_id = ?1");
            assert_eq!(operator.execute(&sql, [name]).unwrap(), 1);
        }
        lock(&stores, "readable").await;
        let lease = Lease {
            owner: "relay".to_owned(),
            now: Timestamp::UNIX_EPOCH,
            length: LEASE,
        };
        for _ in 0..2 {
            let claimed = stores.outboxes.claim(&lease, 10).await.unwrap();
            let keys: Vec<_> = claimed.iter().map(|outbox| outbox.key.as_str()).collect();
            assert_eq!(keys, ["readable"]);
            assert_eq!(stores.outboxes.backlog().await.unwrap().unreadable, newer.len() as u64);
        }
    }
}
