//! The database: which consistency each kind of read and write has, and how it is sent.
//!
//! | method | consistency | sent |
//! | --- | --- | --- |
//! | [`Database::find`] | read concern `majority` | batched |
//! | [`Database::find_after_write`] | causally after the writes of this process | batched |
//! | [`Database::find_linearizable`] | read concern `linearizable` | alone |
//! | [`Database::write`] | write concern `majority`, journaled | alone |
//! | [`Database::submit_write`] | the same | batched |
//!
//! docs/protocols.md "Store rules" and "Linearizable reads" say which one a decision may rest on.

mod operation_time;
mod readiness;

use std::collections::HashMap;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use mongodb::action::RunCommand;
use mongodb::bson::{Document, RawDocumentBuf, Timestamp as OperationTime, deserialize_from_slice, doc};
use mongodb::options::{FindOneOptions, ReadConcern};
use mongodb::{ClientSession, Collection};
use ports::StoreError;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::batcher::Batcher;
use crate::bson_codec::integer;
use crate::call_runner::CallRunner;
use crate::causal_session::{CausalSession, read_in_session, write_in_session};
use crate::connection::{self, MongodbSettings};
use crate::elections::retry_through_elections;
use crate::error::{DriverError, MongodbError, OpenError};
use crate::session_pool::SessionPool;

/// The size of a reply, in bytes, at which documents may be missing. A server puts up to 16 MB into one reply and
/// silently omits what does not fit. The last MB is a margin for the parts of a reply that this process does not count.
const LARGE_REPLY: usize = 15 * 1024 * 1024;

/// The `maxTimeMS` of reads, 0.5 s less than a call may take: a linearizable read hangs while there is no majority.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The consistency of a batched read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ReadConsistency {
    /// Read concern `majority`. Right after a failover the result may be behind an acknowledged write.
    Majority,
    /// Sees every matching write of this process that was acknowledged before the read.
    AfterWrites,
}

/// Documents by their `_id`, not decoded: a document that cannot be decoded fails only for its own caller.
pub(crate) type DocumentsById = HashMap<String, RawDocumentBuf>;

/// Batches reads by `_id`.
type ReadBatcher = Arc<Batcher<String, ReadResult>>;

/// The result of one read of a batch.
type ReadResult = Result<Option<RawDocumentBuf>, MongodbError>;

/// One database, its client and the calls in flight.
pub(crate) struct Database {
    /// Causally consistent sessions, for writes and the reads after them.
    pub(crate) causal: SessionPool,
    /// Sessions for majority reads.
    plain: SessionPool,
    collections: mongodb::Database,
    calls: CallRunner,
    /// True in a replica set or behind a `mongos`. A standalone server is its own majority.
    is_replicated: bool,
    /// True behind a `mongos`: the operation times of shards have no common order.
    is_sharded: bool,
    /// The latest `operationTime` of an acknowledged write of this process, encoded by [`operation_time::to_number`].
    last_operation_time: AtomicU64,
    read_batchers: Mutex<HashMap<(&'static str, ReadConsistency), ReadBatcher>>,
    event_pushed: Notify,
}

impl Database {
    pub(crate) async fn open(settings: &MongodbSettings) -> Result<Self, OpenError> {
        let client = connection::client(settings).await?;
        let open_error = |error: mongodb::error::Error| OpenError::Unreachable((&error).into());
        let admin = client.database("admin");
        let hello: Document = admin.run_command(doc! { "hello": 1 }).await.map_err(open_error)?;
        let is_sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        Ok(Self {
            collections: client.database(&settings.database),
            causal: SessionPool::new(client.clone(), true),
            plain: SessionPool::new(client, false),
            calls: CallRunner::on_current_runtime(settings.call_timeout),
            is_sharded,
            is_replicated: is_sharded || hello.contains_key("setName"),
            last_operation_time: AtomicU64::new(0),
            read_batchers: Mutex::default(),
            event_pushed: Notify::new(),
        })
    }

    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.collections.collection(name)
    }

    pub(crate) fn run_command(&self, command: Document) -> RunCommand<'_> {
        self.collections.run_command(command)
    }

    /// Runs a read-only call, repeated after a step-down. The default read concern is `majority`, from the primary.
    pub(crate) async fn read<T, F>(
        self: &Arc<Self>,
        call: impl FnOnce(Arc<Self>) -> F + Clone + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let attempt = |_| self.calls.read(call.clone()(self.clone()));
        Ok(retry_through_elections(attempt).await?)
    }

    /// Returns the document with this id, with read concern `majority`.
    pub(crate) async fn find<T>(self: &Arc<Self>, collection: &'static str, id: &str) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned,
    {
        self.find_batched(collection, ReadConsistency::Majority, id.to_owned())
            .await
    }

    /// Returns the document with this id. If none exists, reads again, linearizably: see [`ReadConsistency::Majority`].
    pub(crate) async fn find_or_read_linearizable<T>(
        self: &Arc<Self>,
        collection: &'static str,
        id: &str,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        match self.find(collection, id).await? {
            Some(found) => Ok(Some(found)),
            None => self.find_linearizable(collection, id.to_owned()).await,
        }
    }

    async fn find_batched<T>(
        self: &Arc<Self>,
        collection: &'static str,
        consistency: ReadConsistency,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned,
    {
        let database = self.clone();
        let read = move |ids: Vec<String>| {
            let database = database.clone();
            async move { database.read_each(collection, consistency, &ids).await }
        };
        let found = self
            .read_batcher(collection, consistency)
            .submit(id, &self.calls, read)
            .await??;
        Ok(found.map(|found| decode_document(&found)).transpose()?)
    }

    fn read_batcher(&self, collection: &'static str, consistency: ReadConsistency) -> ReadBatcher {
        let mut batchers = self.read_batchers.lock().unwrap_or_else(PoisonError::into_inner);
        let batcher = batchers
            .entry((collection, consistency))
            .or_insert_with(|| Arc::new(Batcher::reads()));
        batcher.clone()
    }

    /// Reads the documents in one command. If the server rejects it for a reason that may concern a single document,
    /// reads them one by one. Scenario: A's document is on a shard that is down, B's on another. The query for both
    /// fails. Read one by one, A's fails and B's succeeds.
    async fn read_each(
        &self,
        collection: &'static str,
        consistency: ReadConsistency,
        ids: &[String],
    ) -> Result<Vec<ReadResult>, MongodbError> {
        match retry_through_elections(|_| self.read_batch(collection, consistency, ids)).await {
            Ok(found) => Ok(found.into_iter().map(Ok).collect()),
            Err(MongodbError::Read(error)) if ids.len() > 1 && error.may_concern_one() => {
                let alone = ids.iter().map(|id| async move {
                    let found = self.read_batch(collection, consistency, slice::from_ref(id)).await?;
                    Ok(found.into_iter().next().flatten())
                });
                Ok(join_all(alone).await)
            }
            Err(error) => Err(error),
        }
    }

    async fn read_batch(
        &self,
        collection: &'static str,
        consistency: ReadConsistency,
        ids: &[String],
    ) -> Result<Vec<Option<RawDocumentBuf>>, MongodbError> {
        let sessions = match consistency {
            ReadConsistency::Majority => &self.plain,
            ReadConsistency::AfterWrites => &self.causal,
        };
        let (pooled, mut session) = sessions.acquire().await.map_err(|error| MongodbError::read(&error))?;
        let last = self.last_operation_time.load(Ordering::Acquire);
        if consistency == ReadConsistency::AfterWrites && last > 0 {
            session.advance_operation_time(operation_time::from_number(last));
        }
        let found = self.find_each(collection, ids, &mut session).await?;
        drop(session);
        sessions.release(pooled);
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// Returns the documents with these ids. Ids without a document are left out, and so are outboxes, which only the
    /// relay reads and which may be long. Fails if documents may be missing from the reply.
    pub(crate) async fn find_each(
        &self,
        collection: &str,
        ids: &[String],
        session: &mut ClientSession,
    ) -> Result<DocumentsById, MongodbError> {
        let documents = self.collection::<RawDocumentBuf>(collection);
        // A negative limit makes the server return all documents in one reply, without a cursor.
        let limit = -integer(ids.len() as u64);
        let filter = match ids {
            [id] => doc! { "_id": id },
            ids => doc! { "_id": { "$in": ids } },
        };
        let find = documents
            .find(filter)
            .projection(without_outbox())
            .limit(limit)
            .max_time(READ_TIMEOUT);
        let found = async {
            let mut cursor = find.session(&mut *session).await?;
            cursor.stream(session).try_collect::<Vec<_>>().await
        };
        let found = found.await.map_err(|error| MongodbError::read(&error))?;
        if is_truncated(ids, &found) {
            return Err(MongodbError::Read(DriverError::too_large()));
        }
        let by_id = found.into_iter().filter_map(|document| {
            let id = document.get_str("_id").ok()?.to_owned();
            Some((id, document))
        });
        Ok(by_id.collect())
    }

    /// Submits a write to a batcher. `write` sends one command for a batch and returns an answer per request, in order.
    pub(crate) async fn submit_write<Q, A, F>(
        self: &Arc<Self>,
        batcher: &Arc<Batcher<Q, A>>,
        request: Q,
        write: impl Fn(Arc<Self>, Vec<Q>) -> F + Send + 'static,
    ) -> Result<A, StoreError>
    where
        Q: Send + 'static,
        A: Send + 'static,
        F: Future<Output = Result<Vec<A>, MongodbError>> + Send,
    {
        let database = self.clone();
        let write = move |requests| write(database.clone(), requests);
        batcher.submit(request, &self.calls, write).await
    }

    /// Runs a call with several reads. Each read is causally after the previous one, so it does not see an older state.
    pub(crate) async fn read_in_session<T, F>(
        self: &Arc<Self>,
        call: impl FnOnce(CausalSession) -> F + Clone + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let attempt = |_| self.calls.read(read_in_session(self.clone(), call.clone()));
        Ok(retry_through_elections(attempt).await?)
    }

    /// Runs a writing call in its own session, so that a read after the write sees it. Repeats the call after a
    /// step-down. The session then knows that the earlier attempt may have written.
    ///
    /// A call makes **one** conditional write, because it continues when its caller has left. The caller decides on a
    /// second write. Scenario without this rule: A's write conflicts, and A's call prepares a second write. Meanwhile A
    /// gets its 503, and B's opposite command is acknowledged. A's second write undoes it. Exceptions: relay and purge.
    pub(crate) async fn write<T, F>(
        self: &Arc<Self>,
        call: impl FnOnce(CausalSession) -> F + Clone + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let attempt = |earlier_error| {
            let call = write_in_session(self.clone(), earlier_error, call.clone());
            self.calls.write(call)
        };
        Ok(retry_through_elections(attempt).await?)
    }

    /// Returns the document with this id, as of the latest acknowledged write of this process that matched, and of
    /// every write acknowledged anywhere before that. The read has read concern `majority`, is causally after the
    /// latest `operationTime`, and needs no round trip to the other members. Behind a `mongos` it is linearizable.
    pub(crate) async fn find_after_write<T>(
        self: &Arc<Self>,
        collection: &'static str,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        if self.is_sharded {
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
        self: &Arc<Self>,
        collection: &'static str,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.read(|database| async move { database.read_linearizable(collection, doc! { "_id": id }).await })
            .await
    }

    /// Makes one attempt at a linearizable read of the document that matches the filter.
    pub(crate) async fn read_linearizable<T>(
        &self,
        collection: &str,
        filter: Document,
    ) -> Result<Option<T>, MongodbError>
    where
        T: DeserializeOwned + Send + Sync,
    {
        let concern = if self.is_replicated {
            ReadConcern::linearizable()
        } else {
            ReadConcern::majority()
        };
        let options = FindOneOptions::builder()
            .read_concern(concern)
            .projection(without_outbox())
            .max_time(READ_TIMEOUT)
            .build();
        let collection = self.collection::<T>(collection);
        let found = collection.find_one(filter).with_options(options);
        found.await.map_err(|error| MongodbError::read(&error))
    }

    pub(crate) async fn drain(&self) {
        self.calls.finish().await;
    }

    /// Records the `operationTime` of an acknowledged write. The recorded time never decreases.
    pub(crate) fn record_operation_time(&self, at: OperationTime) {
        self.last_operation_time
            .fetch_max(operation_time::to_number(at), Ordering::AcqRel);
    }

    /// Wakes the relay of this process. If the relay is not waiting, its next wait returns immediately.
    pub(crate) fn notify_event(&self) {
        self.event_pushed.notify_one();
    }

    pub(crate) async fn wait_for_event(&self) {
        self.event_pushed.notified().await;
    }
}

fn without_outbox() -> Document {
    doc! { "outbox": 0 }
}

/// Returns whether documents may be missing from a reply because of its size. A single document always fits.
fn is_truncated(requested: &[String], found: &[RawDocumentBuf]) -> bool {
    let length: usize = found.iter().map(|document| document.as_bytes().len()).sum();
    requested.len() > 1 && length >= LARGE_REPLY
}

pub(crate) fn decode_document<T: DeserializeOwned>(found: &RawDocumentBuf) -> Result<T, MongodbError> {
    deserialize_from_slice(found.as_bytes()).map_err(|error| MongodbError::read(&error.into()))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::rawdoc;

    use super::*;

    #[test]
    fn large_replies_count_as_truncated() {
        let ids = ["ada", "bob"].map(str::to_owned);
        let document = |length| rawdoc! { "_id": "ada", "name": "a".repeat(length) };
        let small = document(LARGE_REPLY / 2);
        let rest = LARGE_REPLY - small.as_bytes().len() - rawdoc! { "_id": "ada", "name": "" }.as_bytes().len();
        let (fits, full) = (document(rest - 1), document(rest));
        assert!(!is_truncated(&ids, &[small.clone(), fits]));
        assert!(is_truncated(&ids, &[small, full]));
        assert!(!is_truncated(&ids[..1], &[document(LARGE_REPLY)]));
    }
}
