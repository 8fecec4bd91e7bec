//! The reads and writes of one call in a causally consistent session.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::UpdateModifications;
use mongodb::{ClientSession, Collection};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::bson_codec::milliseconds;
use crate::connection::{CALL_TIMEOUT, Connection, DocumentsById, READ_TIMEOUT};
use crate::error::{DriverError, MongodbError};

/// A causally consistent session, used by one call at a time.
pub(crate) struct CausalSession {
    pub(super) connection: Arc<Connection>,
    pub(super) event_pushed: Arc<Notify>,
    pub(crate) inner: OwnedMutexGuard<ClientSession>,
    /// The error of an earlier attempt at the same call that may have written.
    pub(super) earlier_error: Option<DriverError>,
}

/// The outcome of an `update` command with several statements.
pub(crate) struct BulkOutcome {
    /// The number of statements that matched a document (`n`). The server does not say which.
    pub(crate) matched: usize,
    /// The statements that the server rejected (`writeErrors`), by their index in the call.
    pub(crate) rejected: Vec<(usize, DriverError)>,
}

impl CausalSession {
    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.connection.collection(name)
    }

    /// Wakes the relay of this process, after a write that pushed an event. If the relay is not waiting, its next wait
    /// returns immediately.
    pub(crate) fn notify_event(&self) {
        self.event_pushed.notify_one();
    }

    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = collection))]
    pub(crate) async fn find_one<T>(&mut self, collection: &str, filter: Document) -> Result<Option<T>, MongodbError>
    where
        T: DeserializeOwned + Send + Sync,
    {
        let collection = self.connection.collection::<T>(collection);
        let found = collection.find_one(filter).max_time(READ_TIMEOUT);
        found
            .session(&mut *self.inner)
            .await
            .map_err(|error| MongodbError::read(&error))
    }

    /// Inserts a document. Returns `false` if its `_id` already exists.
    pub(crate) async fn insert<T>(&mut self, collection: &str, document: &T) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        let is_inserted = self.try_insert(collection, document).await?;
        self.resolve_outcome(is_inserted)
    }

    /// Inserts a document whose `_id` is random. Returns `false` if the `_id` already exists. Only an earlier attempt
    /// at the same call can have inserted it, so the outcome is known even if that attempt's outcome was not.
    pub(crate) async fn insert_once<T>(&mut self, collection: &str, document: &T) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        self.try_insert(collection, document).await
    }

    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "insert", collection = collection))]
    async fn try_insert<T>(&mut self, collection: &str, document: &T) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        let collection = self.connection.collection::<T>(collection);
        match collection.insert_one(document).session(&mut *self.inner).await {
            Ok(_) => Ok(true),
            Err(error) if crate::error::is_duplicate(&error) => Ok(false),
            Err(error) => Err(MongodbError::write(&error)),
        }
    }

    /// Replaces the document that matches the filter. Returns whether a document matched.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "replace", collection = collection))]
    pub(crate) async fn replace_one<T>(
        &mut self,
        collection: &str,
        filter: Document,
        document: &T,
    ) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        let collection = self.connection.collection::<T>(collection);
        let replaced = collection.replace_one(filter, document).session(&mut *self.inner);
        let replaced = replaced.await.map_err(|error| MongodbError::write(&error))?;
        self.resolve_outcome(replaced.matched_count > 0)
    }

    /// Updates the document that matches the filter. Returns whether a document matched.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "update", collection = collection))]
    pub(crate) async fn update_one(
        &mut self,
        collection: &str,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Result<bool, MongodbError> {
        let collection = self.connection.collection::<Document>(collection);
        let updated = collection.update_one(filter, update).session(&mut *self.inner);
        let updated = updated.await.map_err(|error| MongodbError::write(&error))?;
        self.resolve_outcome(updated.matched_count > 0)
    }

    /// Deletes the document that matches the filter. Returns whether a document matched.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "delete", collection = collection))]
    pub(crate) async fn delete_one(&mut self, collection: &str, filter: Document) -> Result<bool, MongodbError> {
        let collection = self.connection.collection::<Document>(collection);
        let deleted = collection.delete_one(filter).session(&mut *self.inner);
        let deleted = deleted.await.map_err(|error| MongodbError::write(&error))?;
        self.resolve_outcome(deleted.deleted_count > 0)
    }

    /// Returns whether a conditional write matched. If it did not, but an earlier attempt may have, returns an unknown
    /// outcome.
    ///
    /// Scenario: the first attempt raises version 3 to 4, and the primary steps down before a majority has the write
    /// (`writeConcernError`). The second attempt goes to the new primary, which has version 4, and matches nothing.
    /// That looks like a conflict with another caller, but version 4 is the call's own write.
    fn resolve_outcome(&self, has_matched: bool) -> Result<bool, MongodbError> {
        match &self.earlier_error {
            Some(error) if !has_matched => Err(MongodbError::Write(error.clone())),
            _ => Ok(has_matched),
        }
    }

    /// Returns the documents with these ids, as of the writes in this session. Ids without a document are left out.
    pub(crate) async fn find_each(&mut self, collection: &str, ids: &[String]) -> Result<DocumentsById, MongodbError> {
        let Self { connection, inner, .. } = self;
        connection.find_each(collection, ids, inner).await
    }

    /// Updates documents in one `update` command with a statement for each. `updates` are pairs of `_id` and statement.
    ///
    /// The command is unordered: a rejected statement does not stop the statements after it. Each statement is atomic,
    /// the command as a whole is not. The driver retries single writes (retryable writes), but not this command,
    /// because it does not inspect what `runCommand` sends.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "update", collection = collection))]
    pub(crate) async fn update_each(
        &mut self,
        collection: &str,
        updates: Vec<(&str, Document)>,
    ) -> Result<BulkOutcome, MongodbError> {
        let mut updates: Vec<_> = updates.into_iter().enumerate().collect();
        // Sorted to prevent deadlocks on a server that runs such a command as one transaction (FerretDB): A locks 1 and
        // waits for 2 while B locks 2 and waits for 1.
        updates.sort_by_key(|(_, (id, _))| *id);
        let (indexes, updates): (Vec<_>, Vec<_>) =
            updates.into_iter().map(|(index, (_, update))| (index, update)).unzip();
        let command = doc! {
            "update": collection,
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true, "wtimeout": milliseconds(CALL_TIMEOUT) },
            "maxTimeMS": milliseconds(CALL_TIMEOUT),
        };
        let reply = self.connection.run_command(command).session(&mut *self.inner);
        let reply = reply.await.map_err(|error| MongodbError::write(&error))?;
        let unreadable_error = || MongodbError::Write(DriverError::unreadable());
        let rejected = DriverError::write_errors(&reply).map_err(MongodbError::Write)?;
        let rejected = rejected.into_iter().map(|(position, error)| {
            let index = indexes.get(position).copied();
            index.map(|index| (index, error))
        });
        let matched = match reply.get("n") {
            Some(Bson::Int32(matched)) => usize::try_from(*matched).ok(),
            Some(Bson::Int64(matched)) => usize::try_from(*matched).ok(),
            _ => None,
        };
        Ok(BulkOutcome {
            matched: matched.ok_or_else(unreadable_error)?,
            rejected: rejected.collect::<Option<_>>().ok_or_else(unreadable_error)?,
        })
    }
}
