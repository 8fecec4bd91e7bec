//! The store of every aggregate with rules: one shape of table, with the form as a JSON document.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use domain::event::NewEvent;
use ports::{SaveOutcome, StoreError, Versioned, VersionedStore};
use rusqlite::{Connection, Row};
use stored_forms::{Json, StoredForm};

use crate::database::Database;
use crate::error::SqliteError;
use crate::outbox::Outbox;
use crate::row_codec::{self, Reader, integer, to_json};

/// The store of the aggregate whose form is `F`.
pub(crate) struct SqliteVersioned<F> {
    database: Arc<Database>,
    /// Selects an aggregate by its key. Every read runs it, so it is formatted once.
    select: String,
    form: PhantomData<fn() -> F>,
}

impl<F: StoredForm<Json>> SqliteVersioned<F> {
    pub(crate) fn new(database: &Arc<Database>) -> Arc<Self> {
        const { stored_forms::assert_listed(<F::Of as Versioned>::AGGREGATE) };
        Arc::new(Self {
            database: database.clone(),
            select: format!("SELECT key, document FROM {} WHERE key = ?1", table::<F>()),
            form: PhantomData,
        })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }
}

const fn table<F: StoredForm<Json>>() -> &'static str {
    <F::Of as Versioned>::AGGREGATE.name
}

/// Reads an aggregate from a row whose first column is the key.
pub(crate) fn aggregate<F: StoredForm<Json>>(row: &Row<'_>, document: usize) -> Result<F::Of, SqliteError> {
    let row = Reader::new(table::<F>(), row);
    let form: F = row.json(document)?;
    let key: String = row.column(0)?;
    form.read(&key).map_err(|error| row.corrupt(error.0))
}

fn save<F: StoredForm<Json>>(
    connection: &Connection,
    aggregate: &F::Of,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, SqliteError> {
    let (table, key) = (table::<F>(), aggregate.key().as_ref());
    let sql = format!("SELECT key, version FROM {table} WHERE key = ?1");
    let stored = row_codec::first(connection, &sql, [key], |row| Reader::new(table, row).count(1))?;
    if stored.unwrap_or(0) != aggregate.version() {
        return Ok(SaveOutcome::Conflict);
    }
    let mut outbox = None;
    if !events.is_empty() {
        let mut pending = Outbox::read(connection, table, key)?.unwrap_or_else(Outbox::empty);
        if !<F::Of as Versioned>::AGGREGATE.has_outbox || !pending.push(connection, events)? {
            return Ok(SaveOutcome::OutboxFull);
        }
        outbox = Some(pending);
    }
    let version = aggregate.version() + 1;
    let document = to_json(table, &F::of(aggregate, version))?;
    let sql = format!(
        "INSERT INTO {table} (key, version, document) VALUES (?1, ?2, ?3)
         ON CONFLICT (key) DO UPDATE SET version = excluded.version, document = excluded.document"
    );
    row_codec::execute(connection, &sql, (key, integer(version), document))?;
    if let Some(outbox) = outbox {
        outbox.save(connection, table, key)?;
    }
    Ok(SaveOutcome::Saved)
}

#[async_trait]
impl<F: StoredForm<Json>> VersionedStore<F::Of> for SqliteVersioned<F> {
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = table::<F>()))]
    async fn find(&self, key: &<F::Of as Versioned>::Key) -> Result<Option<F::Of>, StoreError> {
        self.database
            .read(|connection| row_codec::first(connection, &self.select, [key.as_ref()], |row| aggregate::<F>(row, 1)))
    }

    /// Every read of the file sees all that is committed.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "read_linearizable", collection = table::<F>()))]
    async fn read_linearizable(&self, key: &<F::Of as Versioned>::Key) -> Result<Option<F::Of>, StoreError> {
        self.find(key).await
    }

    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "save_if_version", collection = table::<F>()))]
    async fn save_if_version(&self, aggregate: &F::Of, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        let aggregate = aggregate.clone();
        let has_events = !events.is_empty();
        let saved = self
            .database
            .write(move |connection| save::<F>(connection, &aggregate, events));
        let outcome = saved.await?;
        if has_events && outcome == SaveOutcome::Saved {
            self.database.notify_event();
        }
        Ok(outcome)
    }
}
