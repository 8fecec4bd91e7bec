//! The calls of the stores: which consistency each kind of read and write has, and how it is sent.
//!
//! | method | consistency | sent |
//! | --- | --- | --- |
//! | [`Database::find`] | read concern `majority` | batched |
//! | [`Database::find_after_write`] | causally after the writes of this process | batched |
//! | [`Database::find_linearizable`] | read concern `linearizable` | alone |
//! | [`Database::write`] | write concern `majority`, journaled | alone |
//! | [`Database::batching`], `write_queue` | the same | batched |
//!
//! docs/protocols.md "Store rules" and "Linearizable reads" say which one a decision may rest on.

mod readiness;
mod statements;

use std::sync::Arc;

use mongodb::bson::{Document, doc};
use ports::StoreError;
use serde::de::DeserializeOwned;

use crate::batching::Batching;
use crate::bson_codec::{decode_document, integer};
use crate::call_runner::CallRunner;
use crate::connection::{self, CALL_TIMEOUT, Connection, MongodbSettings};
use crate::driver_session::{CausalSession, ReadConsistency, Sessions};
use crate::elections::retry_through_elections;
use crate::error::{MongodbError, OpenError};

/// One database and the calls in flight.
pub(crate) struct Database {
    pub(crate) connection: Arc<Connection>,
    pub(crate) batching: Batching,
    sessions: Arc<Sessions>,
    calls: Arc<CallRunner>,
}

impl Database {
    pub(crate) async fn open(settings: &MongodbSettings) -> Result<Self, OpenError> {
        let connection = Arc::new(Connection::open(settings).await?);
        let sessions = Arc::new(Sessions::new(connection.clone()));
        let calls = Arc::new(CallRunner::on_current_runtime(settings.call_timeout));
        // Behind a `mongos` a command for several documents is as slow as the slowest of their shards.
        let is_batching = settings.batching && !connection.is_sharded();
        Ok(Self {
            batching: Batching::new(is_batching, calls.clone(), sessions.clone()),
            connection,
            sessions,
            calls,
        })
    }

    /// Runs a read-only call, repeated after a step-down. The default read concern is `majority`, from the primary.
    pub(crate) async fn read<T, F>(
        &self,
        call: impl FnOnce(Arc<Connection>) -> F + Clone + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let attempt = |_| self.calls.read(call.clone()(self.connection.clone()));
        Ok(retry_through_elections(attempt).await?)
    }

    /// Returns the document with this id, with read concern `majority`.
    pub(crate) async fn find<T>(&self, collection: &'static str, id: &str) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned,
    {
        self.find_batched(collection, ReadConsistency::Majority, id.to_owned())
            .await
    }

    async fn find_batched<T>(
        &self,
        collection: &'static str,
        consistency: ReadConsistency,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned,
    {
        let found = self.batching.find(collection, consistency, id).await?;
        Ok(found.map(|found| decode_document(&found)).transpose()?)
    }

    /// Returns up to `limit` documents that match the filter and whose `_id` is greater than `after`, in the order of their
    /// `_id`.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = collection))]
    pub(crate) async fn page<T>(
        &self,
        collection: &'static str,
        mut filter: Document,
        after: String,
        limit: usize,
    ) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        filter.insert("_id", doc! { "$gt": after });
        self.read(|connection| async move {
            let documents = connection.collection::<T>(collection);
            let found = documents
                .find(filter)
                .sort(doc! { "_id": 1 })
                .limit(integer(limit as u64))
                .max_time(CALL_TIMEOUT);
            connection::all(found.await).await
        })
        .await
    }

    /// Runs a call with several reads. Each read is causally after the previous one, so it does not see an older state.
    pub(crate) async fn read_in_session<T, F>(
        &self,
        call: impl FnOnce(CausalSession) -> F + Clone + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let attempt = |_| self.calls.read(self.sessions.clone().read(call.clone()));
        Ok(retry_through_elections(attempt).await?)
    }

    /// Runs a writing call in its own session, so that a read after the write sees it. Repeats the call after a
    /// step-down. The session then knows that the earlier attempt may have written.
    ///
    /// A call makes **one** conditional write, because it continues when its caller has left. The caller decides on a
    /// second write. Scenario without this rule: A's write conflicts, and A's call prepares a second write. Meanwhile A
    /// gets its 503, and B's opposite command is acknowledged. A's second write undoes it. Exceptions: relay and purge.
    pub(crate) async fn write<T, F>(
        &self,
        call: impl FnOnce(CausalSession) -> F + Clone + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let attempt = |earlier_error| {
            let call = self.sessions.clone().write(earlier_error, call.clone());
            self.calls.write(call)
        };
        Ok(retry_through_elections(attempt).await?)
    }

    /// Returns the document with this id, as of the latest acknowledged write of this process that matched, and of
    /// every write acknowledged anywhere before that. The read has read concern `majority`, is causally after the
    /// latest `operationTime`, and needs no round trip to the other members. Behind a `mongos` it is linearizable.
    pub(crate) async fn find_after_write<T>(
        &self,
        collection: &'static str,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        if self.connection.is_sharded() {
            return self.find_linearizable(collection, id).await;
        }
        self.find_batched(collection, ReadConsistency::AfterWrites, id).await
    }

    /// Returns the document with this id, as of every write that was acknowledged anywhere before the call. The read
    /// concern is `linearizable` on a replica set or behind a `mongos`, and `majority` on a standalone server.
    ///
    /// Scenario: P1 is partitioned and does not know it yet. The other members elect P2. B locks a user at P2 and gets
    /// its 204. A, still connected to P1, reads with `majority`, and P1 returns its last known state, "unlocked". A
    /// linearizable read makes P1 confirm with a majority that it is still the primary, and this fails.
    pub(crate) async fn find_linearizable<T>(
        &self,
        collection: &'static str,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.read(|connection| async move { connection.read_linearizable(collection, doc! { "_id": id }).await })
            .await
    }

    /// Rejects new calls and waits for the calls in flight.
    pub(crate) async fn drain(&self) {
        self.calls.finish().await;
    }

    /// Waits until a write of this process has pushed an event.
    pub(crate) async fn wait_for_event(&self) {
        self.sessions.wait_for_event().await;
    }
}
