use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::time::{self, Timestamp};
use ports::{Aggregate, Backlog, Lease, Outboxes, PendingOutbox, Settlement, StoreFailure};
use rusqlite::{Connection, Row};

use crate::database::Database;
use crate::fault::Fault;
use crate::outbox::{EventDocument, Outbox, table};
use crate::rows::{self, Reader, integer};

pub(crate) struct SqliteOutboxes(pub(crate) Arc<Database>);

/// An outbox that cannot be read is left alone for so long.
const LONGEST_HOLD: Duration = Duration::from_mins(1);

fn claim(
    connection: &Connection,
    aggregate: Aggregate,
    lease: &Lease,
    limit: usize,
) -> Result<Vec<PendingOutbox>, Fault> {
    let (table, key) = table(aggregate);
    let sql = format!(
        "UPDATE {table} SET lease_owner = ?1, lease_until = ?2 WHERE {key} IN (
             SELECT {key} FROM {table}
             WHERE outbox_pending = 1 AND (lease_until IS NULL OR lease_until <= ?3 OR lease_owner = ?1) LIMIT ?4
         ) RETURNING {key}, user_id, outbox"
    );
    let until = time::after(lease.now, lease.length).as_millisecond();
    let parameters = (&lease.owner, until, lease.now.as_millisecond(), integer(limit as u64));
    let claimed = rows::all(connection, &sql, parameters, |row| {
        Ok((row.get::<_, String>(key)?, pending(aggregate, row)))
    })?;
    let mut outboxes = Vec::with_capacity(claimed.len());
    for (name, outbox) in claimed {
        match outbox {
            Ok(outbox) => outboxes.push(outbox),
            Err(fault) => {
                tracing::error!(
                    key = name,
                    error = &fault as &dyn std::error::Error,
                    "an outbox cannot be read"
                );
                hold(connection, aggregate, &name, lease)?;
            }
        }
    }
    Ok(outboxes)
}

/// Leaves an outbox alone for a while: perhaps a newer relay can read it.
fn hold(connection: &Connection, aggregate: Aggregate, name: &str, lease: &Lease) -> Result<(), Fault> {
    let (table, key) = table(aggregate);
    let sql = format!("UPDATE {table} SET lease_owner = NULL, lease_until = ?2 WHERE {key} = ?1");
    let later = time::after(lease.now, LONGEST_HOLD).as_millisecond();
    rows::execute(connection, &sql, (name, later)).map(drop)
}

fn pending(aggregate: Aggregate, row: &Row<'_>) -> Result<PendingOutbox, Fault> {
    let (table, key) = table(aggregate);
    let row = Reader::new(table, row);
    let key: String = row.column(key)?;
    let user = row.parsed("user_id", UserId::parse)?;
    let waiting: Vec<EventDocument> = row.json("outbox")?;
    let events = waiting
        .into_iter()
        .map(|event| event.into_event(&key, &user))
        .collect::<Result<_, Fault>>()?;
    Ok(PendingOutbox { aggregate, key, events })
}

fn settle(connection: &Connection, owner: &str, settlement: &Settlement) -> Result<(), Fault> {
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
    rows::execute(connection, &sql, (key, owner, held_until)).map(drop)
}

fn anything_pending(connection: &Connection, aggregate: Aggregate) -> Result<bool, Fault> {
    let (table, _) = table(aggregate);
    let sql = format!("SELECT 1 FROM {table} WHERE outbox_pending = 1 LIMIT 1");
    Ok(rows::first(connection, &sql, [], |_| Ok(()))?.is_some())
}

#[async_trait]
impl Outboxes for SqliteOutboxes {
    async fn claim(&self, lease: &Lease, limit: usize) -> Result<Vec<PendingOutbox>, StoreFailure> {
        let mut waiting = Vec::new();
        for aggregate in Aggregate::ALL {
            if self.0.read(|connection| anything_pending(connection, aggregate))? {
                waiting.push(aggregate);
            }
        }
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let lease = lease.clone();
        self.0
            .write(move |connection| {
                let mut claimed = Vec::new();
                for aggregate in waiting {
                    claimed.extend(claim(
                        connection,
                        aggregate,
                        &lease,
                        limit.saturating_sub(claimed.len()),
                    )?);
                }
                Ok(claimed)
            })
            .await
    }

    async fn settle(&self, owner: &str, settlements: &[Settlement]) -> Result<(), StoreFailure> {
        let (owner, settlements) = (owner.to_owned(), settlements.to_vec());
        self.0
            .write(move |connection| {
                settlements
                    .iter()
                    .try_for_each(|settlement| settle(connection, &owner, settlement))
            })
            .await
    }

    async fn pushed(&self) {
        self.0.until_pushed().await;
    }

    async fn backlog(&self) -> Result<Backlog, StoreFailure> {
        self.0
            .scan(|connection| {
                let mut backlog = Backlog::default();
                for aggregate in Aggregate::ALL {
                    let (table, _) = table(aggregate);
                    let sql = format!(
                        "SELECT count(*) AS depth, min(json_extract(outbox, '$[0].time')) AS oldest FROM {table} WHERE outbox_pending = 1"
                    );
                    let one = rows::first(connection, &sql, [], |row| {
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
