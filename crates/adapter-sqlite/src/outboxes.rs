use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::time::{self, Timestamp};
use ports::{Aggregate, Lease, OutboxBacklog, Outboxes, PendingOutbox, Settlement, StoreError};
use rusqlite::{Connection, Row};

use crate::database::Database;
use crate::error::SqliteError;
use crate::outbox::{Outbox, PendingEvent, into_event};
use crate::row_codec::{self, Reader, integer};
use crate::schema;

pub(crate) struct SqliteOutboxes {
    pub(crate) aggregates: Vec<&'static Aggregate>,
    pub(crate) database: Arc<Database>,
    /// The number of times that this process claimed an outbox that it could not read.
    pub(crate) unreadable: Arc<AtomicU64>,
}

/// The time for which an outbox that cannot be read is held. A newer version may have written it, and its relay can
/// claim it after the hold. A shorter hold would only repeat the error in the log.
const UNREADABLE_HOLD: Duration = Duration::from_mins(1);

/// Claims up to `limit` outboxes of one kind of aggregate (docs/protocols.md "Relay", step 2).
///
/// A claims an outbox for the length of its lease and dies. B finds `lease_until` in the future and skips the outbox.
/// When the lease has ended, B claims the outbox. If A restarts under its old owner name before that, A can claim it
/// immediately.
fn claim(
    connection: &Connection,
    aggregate: &'static Aggregate,
    lease: &Lease,
    limit: usize,
) -> Result<Claim, SqliteError> {
    let (table, user) = (aggregate.name, schema::user_column(aggregate));
    let sql = format!(
        "UPDATE {table} SET lease_owner = ?1, lease_until = ?2 WHERE key IN (
             SELECT key FROM {table}
             WHERE outbox_pending = 1
                 AND (lease_until IS NULL OR lease_until <= ?3 OR lease_until > ?5 OR lease_owner = ?1) LIMIT ?4
         ) RETURNING key, {user}, outbox"
    );
    let until = time::after(lease.now, lease.length).as_millisecond();
    // No relay claims or holds an outbox for longer. A lease that ends later was set by a relay whose clock was far
    // ahead, and would block the outbox until then.
    let latest_plausible = time::after(lease.now, 2 * lease.length + UNREADABLE_HOLD).as_millisecond();
    let limit = integer(limit as u64);
    let parameters = (&lease.owner, until, lease.now.as_millisecond(), limit, latest_plausible);
    let rows = row_codec::all(connection, &sql, parameters, |row| {
        Ok((row.get::<_, String>(0)?, pending_outbox(aggregate, row)))
    })?;
    let mut claim = Claim::default();
    for (id, outbox) in rows {
        match outbox {
            Ok(outbox) => claim.outboxes.push(outbox),
            Err(error) => {
                claim.unreadable += 1;
                tracing::error!(
                    table,
                    key = id,
                    error = &error as &dyn std::error::Error,
                    "an outbox cannot be read"
                );
                hold_unreadable(connection, aggregate, &id, lease)?;
            }
        }
    }
    Ok(claim)
}

#[derive(Default)]
struct Claim {
    outboxes: Vec<PendingOutbox>,
    /// The number of claimed outboxes that could not be read.
    unreadable: u64,
}

/// Replaces the claim on an outbox with a hold without an owner, for [`UNREADABLE_HOLD`].
fn hold_unreadable(
    connection: &Connection,
    aggregate: &'static Aggregate,
    id: &str,
    lease: &Lease,
) -> Result<(), SqliteError> {
    let table = aggregate.name;
    let sql = format!("UPDATE {table} SET lease_owner = NULL, lease_until = ?2 WHERE key = ?1");
    let until = time::after(lease.now, UNREADABLE_HOLD).as_millisecond();
    row_codec::execute(connection, &sql, (id, until)).map(drop)
}

fn pending_outbox(aggregate: &'static Aggregate, row: &Row<'_>) -> Result<PendingOutbox, SqliteError> {
    let row = Reader::new(aggregate.name, row);
    let key: String = row.column(0)?;
    let user = row.parse(1, UserId::parse)?;
    let pending: Vec<PendingEvent> = row.json(2)?;
    let events = pending
        .into_iter()
        .map(|event| into_event(event, &key, &user))
        .collect::<Result<_, SqliteError>>()?;
    Ok(PendingOutbox { aggregate, key, events })
}

/// Removes the published events of an outbox and ends the owner's claim (docs/protocols.md "Relay", step 5).
///
/// A claims sequences 1 to 3, publishes 1 and stalls. Its lease ends. B claims, publishes 1 to 3 and settles: the
/// outbox is empty. A resumes and settles 1. There is nothing left to remove. If B has claimed the outbox again by
/// then, B's claim stays.
fn settle(connection: &Connection, owner: &str, settlement: &Settlement) -> Result<(), SqliteError> {
    let Settlement {
        aggregate,
        key,
        published,
        held_until,
    } = settlement;
    if let Some(sequence) = *published
        && let Some(mut outbox) = Outbox::read(connection, aggregate.name, key)?
        && outbox.pending.iter().any(|event| event.sequence <= sequence)
    {
        outbox.prune(sequence);
        outbox.save(connection, aggregate.name, key)?;
    }
    let table = aggregate.name;
    let sql = format!("UPDATE {table} SET lease_owner = NULL, lease_until = ?3 WHERE key = ?1 AND lease_owner = ?2");
    let held_until = held_until.map(Timestamp::as_millisecond);
    row_codec::execute(connection, &sql, (key, owner, held_until)).map(drop)
}

fn has_pending(connection: &Connection, aggregate: &'static Aggregate) -> Result<bool, SqliteError> {
    let table = aggregate.name;
    let sql = format!("SELECT 1 FROM {table} WHERE outbox_pending = 1 LIMIT 1");
    Ok(row_codec::first(connection, &sql, [], |_| Ok(()))?.is_some())
}

#[async_trait]
impl Outboxes for SqliteOutboxes {
    async fn claim(&self, lease: &Lease, limit: usize) -> Result<Vec<PendingOutbox>, StoreError> {
        // Reads first: a claim is a write with a sync, and most passes of an idle relay find nothing.
        let mut pending = Vec::new();
        for &aggregate in &self.aggregates {
            if self.database.read(|connection| has_pending(connection, aggregate))? {
                pending.push(aggregate);
            }
        }
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let lease = lease.clone();
        let claims = self.database.write(move |connection| {
            let mut total = Claim::default();
            for aggregate in pending {
                let rest = limit.saturating_sub(total.outboxes.len());
                let claim = claim(connection, aggregate, &lease, rest)?;
                total.outboxes.extend(claim.outboxes);
                total.unreadable += claim.unreadable;
            }
            Ok(total)
        });
        let Claim { outboxes, unreadable } = claims.await?;
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

    async fn backlog(&self) -> Result<OutboxBacklog, StoreError> {
        let unreadable = self.unreadable.load(Ordering::Relaxed);
        let aggregates = self.aggregates.clone();
        self.database
            .scan(move |connection| {
                let mut backlog = OutboxBacklog {
                    unreadable,
                    ..OutboxBacklog::default()
                };
                for aggregate in aggregates {
                    let table = aggregate.name;
                    let sql = format!(
                        "SELECT count(*) AS depth, min(json_extract(outbox, '$[0].time')) AS oldest FROM {table} WHERE outbox_pending = 1"
                    );
                    let found = row_codec::first(connection, &sql, [], |row| {
                        let row = Reader::new("outbox", row);
                        Ok((row.count("depth")?, row.optional_time("oldest")?))
                    })?;
                    let (depth, oldest): (u64, Option<Timestamp>) = found.unwrap_or_default();
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
    use ports::Versioned as _;

    use super::*;
    use crate::SqliteSettings;

    const LEASE: Duration = Duration::from_secs(5);

    async fn lock(stores: &ports::Stores, name: &str) {
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
        let locked = CredentialLock::never_locked(command.user.clone())
            .lock(&command)
            .unwrap();
        let events = vec![events::lock_event(&locked, &command)];
        stores.credential_locks.save_if_version(&locked, events).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_unreadable_outbox_does_not_block_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let settings = SqliteSettings {
            file: file.clone(),
            workers: 1,
        };
        let stores = crate::open(&settings).unwrap().stores;
        let outboxes = stores.upkeep.outboxes(&[CredentialLock::AGGREGATE]);
        let unreadable = [
            (
                "of-a-newer-kind",
                "json_set(outbox, '$[0].kind', 'credential.of-a-later-version')",
            ),
            ("without-an-id", "json_remove(outbox, '$[0].id')"),
            (
                "with-data-of-a-newer-form",
                "json_set(outbox, '$[0].data', json('{\"by\":{\"client\":\"desk\"}}'))",
            ),
            ("that-is-not-a-list", "'{}'"),
        ];
        let connection = Connection::open(&file).unwrap();
        for (name, outbox) in unreadable {
            lock(&stores, name).await;
            let sql = format!("UPDATE credentials SET outbox = {outbox} WHERE key = ?1");
            assert_eq!(connection.execute(&sql, [name]).unwrap(), 1);
        }
        lock(&stores, "readable").await;
        let lease = Lease {
            owner: "relay".to_owned(),
            now: Timestamp::UNIX_EPOCH,
            length: LEASE,
        };
        for _ in 0..2 {
            let claimed = outboxes.claim(&lease, 10).await.unwrap();
            let keys: Vec<_> = claimed.iter().map(|outbox| outbox.key.as_str()).collect();
            assert_eq!(keys, ["readable"]);
            assert_eq!(outboxes.backlog().await.unwrap().unreadable, unreadable.len() as u64);
        }
    }
}
