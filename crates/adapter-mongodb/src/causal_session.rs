use std::sync::Arc;

use mongodb::bson::{Bson, Document, Timestamp, doc};
use mongodb::options::UpdateModifications;
use mongodb::{ClientSession, Collection};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedMutexGuard;

use crate::bson_codec::milliseconds;
use crate::call_runner::CALL_TIMEOUT;
use crate::database::{Database, Found, LINEARIZABLE_READ_TIMEOUT};
use crate::error::{DriverError, MongodbError};

/// A causally consistent session, for one call.
pub(crate) struct CausalSession {
    pub(crate) database: Arc<Database>,
    pub(crate) inner: OwnedMutexGuard<ClientSession>,
    /// Why it is not known what became of an earlier attempt at the same call.
    unknown: Option<DriverError>,
}

/// What came of statements that were sent together.
pub(crate) struct Updated {
    /// How many of them matched.
    pub(crate) matched: usize,
    /// Those that the server refused, by their places.
    pub(crate) refused: Vec<(usize, DriverError)>,
}

impl CausalSession {
    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.database.collection(name)
    }

    pub(crate) async fn find_one<T>(&mut self, collection: &str, filter: Document) -> Result<Option<T>, MongodbError>
    where
        T: DeserializeOwned + Send + Sync,
    {
        let collection = self.database.collection::<T>(collection);
        let found = collection.find_one(filter).max_time(LINEARIZABLE_READ_TIMEOUT);
        found
            .session(&mut *self.inner)
            .await
            .map_err(|error| MongodbError::read(&error))
    }

    /// Whether the document was inserted; `false` when its `_id` was there already.
    pub(crate) async fn insert<T>(&mut self, collection: &str, document: &T) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        let inserted = self.try_insert(collection, document).await?;
        self.known(inserted)
    }

    /// Inserts a document whose `_id` is random; `false` when it is there already, which means that the same write was sent
    /// before.
    pub(crate) async fn insert_once<T>(&mut self, collection: &str, document: &T) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        self.try_insert(collection, document).await
    }

    async fn try_insert<T>(&mut self, collection: &str, document: &T) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        let collection = self.database.collection::<T>(collection);
        match collection.insert_one(document).session(&mut *self.inner).await {
            Ok(_) => Ok(true),
            Err(error) if crate::error::is_duplicate(&error) => Ok(false),
            Err(error) => Err(MongodbError::write(&error)),
        }
    }

    /// Whether a document matched, and is replaced.
    pub(crate) async fn replace_one<T>(
        &mut self,
        collection: &str,
        filter: Document,
        document: &T,
    ) -> Result<bool, MongodbError>
    where
        T: Serialize + Send + Sync,
    {
        let collection = self.database.collection::<T>(collection);
        let replaced = collection.replace_one(filter, document).session(&mut *self.inner);
        let replaced = replaced.await.map_err(|error| MongodbError::write(&error))?;
        self.known(replaced.matched_count > 0)
    }

    /// Whether a document matched.
    pub(crate) async fn update_one(
        &mut self,
        collection: &str,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Result<bool, MongodbError> {
        let collection = self.database.collection::<Document>(collection);
        let updated = collection.update_one(filter, update).session(&mut *self.inner);
        let updated = updated.await.map_err(|error| MongodbError::write(&error))?;
        self.known(updated.matched_count > 0)
    }

    /// Whether a document was there to be deleted.
    pub(crate) async fn delete_one(&mut self, collection: &str, filter: Document) -> Result<bool, MongodbError> {
        let collection = self.database.collection::<Document>(collection);
        let deleted = collection.delete_one(filter).session(&mut *self.inner);
        let deleted = deleted.await.map_err(|error| MongodbError::write(&error))?;
        self.known(deleted.deleted_count > 0)
    }

    /// Whether a conditional write was made. One that was not, after an attempt of which nothing is known, may have been
    /// made by that one.
    fn known(&self, is_made: bool) -> Result<bool, MongodbError> {
        match &self.unknown {
            Some(unknown) if !is_made => Err(MongodbError::Write(unknown.clone())),
            _ => Ok(is_made),
        }
    }

    /// Those of the documents that there are, after what this session wrote.
    pub(crate) async fn find_each(&mut self, collection: &str, ids: &[String]) -> Result<Found, MongodbError> {
        let Self { database, inner, .. } = self;
        database.find_each(collection, ids, inner).await
    }

    /// Updates documents by one command, each, named by its `_id`, by a statement of its own.
    pub(crate) async fn update_each(
        &mut self,
        collection: &str,
        updates: Vec<(&str, Document)>,
    ) -> Result<Updated, MongodbError> {
        let mut updates: Vec<_> = updates.into_iter().enumerate().collect();
        // In one order always: a server that makes such a command one transaction would let two of them wait for each other.
        updates.sort_by_key(|(_, (id, _))| *id);
        let (places, updates): (Vec<_>, Vec<_>) =
            updates.into_iter().map(|(place, (_, update))| (place, update)).unzip();
        let command = doc! {
            "update": collection,
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true, "wtimeout": milliseconds(CALL_TIMEOUT) },
            "maxTimeMS": milliseconds(CALL_TIMEOUT),
        };
        let answer = self.database.run_command(command).session(&mut *self.inner);
        let answer = answer.await.map_err(|error| MongodbError::write(&error))?;
        let unreadable = || MongodbError::Write(DriverError::unreadable());
        let refused = DriverError::of_statements(&answer).map_err(MongodbError::Write)?;
        let refused = refused.into_iter().map(|(sorted, failure)| {
            let place = places.get(sorted).copied();
            place.map(|place| (place, failure))
        });
        let matched = match answer.get("n") {
            Some(Bson::Int32(matched)) => usize::try_from(*matched).ok(),
            Some(Bson::Int64(matched)) => usize::try_from(*matched).ok(),
            _ => None,
        };
        Ok(Updated {
            matched: matched.ok_or_else(unreadable)?,
            refused: refused.collect::<Option<_>>().ok_or_else(unreadable)?,
        })
    }
}

/// Runs a call that writes in a session. Afterwards the process knows until when it wrote; of a call that failed it does not:
/// its write may be rolled back, and then nothing would ever reach its time. `unknown` says why it is not known what became
/// of an earlier attempt.
pub(crate) async fn write_in_session<T, F>(
    database: Arc<Database>,
    unknown: Option<DriverError>,
    call: impl FnOnce(CausalSession) -> F,
) -> Result<T, MongodbError>
where
    F: Future<Output = Result<T, MongodbError>>,
{
    let (answer, until) = in_session(&database, unknown, call).await?;
    if let Some(until) = until {
        database.record_operation_time(until);
    }
    Ok(answer)
}

/// Runs a call that writes nothing in a session.
pub(crate) async fn read_in_session<T, F>(
    database: Arc<Database>,
    call: impl FnOnce(CausalSession) -> F,
) -> Result<T, MongodbError>
where
    F: Future<Output = Result<T, MongodbError>>,
{
    in_session(&database, None, call).await.map(|(answer, _)| answer)
}

/// Uses the session again when the call did not fail.
async fn in_session<T, F>(
    database: &Arc<Database>,
    unknown: Option<DriverError>,
    call: impl FnOnce(CausalSession) -> F,
) -> Result<(T, Option<Timestamp>), MongodbError>
where
    F: Future<Output = Result<T, MongodbError>>,
{
    let (lent, inner) = database
        .causal
        .acquire()
        .await
        .map_err(|error| MongodbError::read(&error))?;
    let session = CausalSession {
        database: database.clone(),
        inner,
        unknown,
    };
    let answer = call(session).await?;
    let until = lent.lock().await.operation_time();
    database.causal.release(lent);
    Ok((answer, until))
}
