use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};
use mongodb::{ClientSession, Collection};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedMutexGuard;

use crate::calls::LONGEST_CALL;
use crate::database::{Database, Found, LONGEST_LOOK};
use crate::fault::{DriverFailure, Fault};
use crate::stored::milliseconds;

/// How often a document is put in its place while others insert and delete it.
const ATTEMPTS: usize = 16;

/// A causally consistent session. At its end the process knows until when it wrote.
pub(crate) struct Session {
    pub(crate) database: Arc<Database>,
    pub(crate) inner: OwnedMutexGuard<ClientSession>,
}

impl Session {
    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.database.collection(name)
    }

    pub(crate) async fn find_one<T>(&mut self, collection: &str, filter: Document) -> Result<Option<T>, Fault>
    where
        T: DeserializeOwned + Send + Sync,
    {
        let collection = self.database.collection::<T>(collection);
        let found = collection.find_one(filter).max_time(LONGEST_LOOK);
        found
            .session(&mut *self.inner)
            .await
            .map_err(|error| Fault::read(&error))
    }

    /// As [`Database::find_linearizable`], within this call.
    pub(crate) async fn find_linearizable<T>(&self, collection: &str, filter: Document) -> Result<Option<T>, Fault>
    where
        T: DeserializeOwned + Send + Sync,
    {
        self.database.linearizable(collection, filter).await
    }

    /// Whether the document was inserted; `false` when its `_id` was there already.
    pub(crate) async fn insert<T>(&mut self, collection: &str, document: &T) -> Result<bool, Fault>
    where
        T: Serialize + Send + Sync,
    {
        let collection = self.database.collection::<T>(collection);
        match collection.insert_one(document).session(&mut *self.inner).await {
            Ok(_) => Ok(true),
            Err(error) if crate::fault::is_duplicate(&error) => Ok(false),
            Err(error) => Err(Fault::write(&error)),
        }
    }

    /// Puts the document in the place of the one with its `_id`, or inserts it.
    pub(crate) async fn replace<T>(&mut self, collection: &str, id: &str, document: &T) -> Result<(), Fault>
    where
        T: Serialize + Send + Sync,
    {
        let typed = self.database.collection::<T>(collection);
        for _ in 0..ATTEMPTS {
            let replaced = typed
                .replace_one(doc! { "_id": id }, document)
                .session(&mut *self.inner)
                .await;
            let replaced = replaced.map_err(|error| Fault::write(&error))?;
            if replaced.matched_count > 0 || self.insert(collection, document).await? {
                return Ok(());
            }
        }
        Err(Fault::Contended)
    }

    /// Whether a document matched.
    pub(crate) async fn update_one(
        &mut self,
        collection: &str,
        filter: Document,
        update: impl Into<mongodb::options::UpdateModifications>,
    ) -> Result<bool, Fault> {
        let collection = self.database.collection::<Document>(collection);
        let updated = collection.update_one(filter, update).session(&mut *self.inner).await;
        updated
            .map(|updated| updated.matched_count > 0)
            .map_err(|error| Fault::write(&error))
    }

    /// Those of the documents that there are, after what this session wrote.
    pub(crate) async fn find_each(&mut self, collection: &str, ids: &[String]) -> Result<Found, Fault> {
        let Self { database, inner } = self;
        database.find_each(collection, ids, inner).await
    }

    /// Updates documents by one command, each, named by its `_id`, by a statement of its own; how many of them matched.
    pub(crate) async fn update_each(
        &mut self,
        collection: &str,
        mut updates: Vec<(&str, Document)>,
    ) -> Result<usize, Fault> {
        // In one order always: a server that makes such a command one transaction would let two of them wait for each other.
        updates.sort_by_key(|(id, _)| *id);
        let updates: Vec<_> = updates.into_iter().map(|(_, update)| update).collect();
        let command = doc! {
            "update": collection,
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true, "wtimeout": milliseconds(LONGEST_CALL) },
            "maxTimeMS": milliseconds(LONGEST_CALL),
        };
        let answer = self.database.run_command(command).session(&mut *self.inner);
        let answer = answer.await.map_err(|error| Fault::write(&error))?;
        if let Some(failure) = DriverFailure::in_answer(&answer) {
            return Err(Fault::Write(failure));
        }
        let matched = match answer.get("n") {
            Some(Bson::Int32(matched)) => usize::try_from(*matched).ok(),
            Some(Bson::Int64(matched)) => usize::try_from(*matched).ok(),
            _ => None,
        };
        matched.ok_or_else(|| Fault::Write(DriverFailure::unreadable()))
    }

    /// Whether a document was there to be deleted.
    pub(crate) async fn delete_one(&mut self, collection: &str, filter: Document) -> Result<bool, Fault> {
        let collection = self.database.collection::<Document>(collection);
        let deleted = collection.delete_one(filter).session(&mut *self.inner).await;
        deleted
            .map(|deleted| deleted.deleted_count > 0)
            .map_err(|error| Fault::write(&error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(time) = self.inner.operation_time() {
            self.database.written(time);
        }
    }
}

/// Runs a call in a session, which is used again when the call did not fail.
pub(crate) async fn in_session<T, F>(database: Arc<Database>, call: impl FnOnce(Session) -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let (lent, inner) = database.causal.lend().await.map_err(|error| Fault::read(&error))?;
    let session = Session {
        database: database.clone(),
        inner,
    };
    let answer = call(session).await?;
    database.causal.give_back(lent);
    Ok(answer)
}
