use std::collections::HashMap;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use mongodb::action::RunCommand;
use mongodb::bson::{Document, RawDocumentBuf, Timestamp as OperationTime, deserialize_from_slice, doc};
use mongodb::options::{FindOneOptions, ReadConcern};
use mongodb::{ClientSession, Collection};
use ports::{Readiness, StoreError};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::batcher::Batcher;
use crate::bson_codec::integer;
use crate::call_runner::{CALL_TIMEOUT, CallRunner};
use crate::causal_session::{CausalSession, read_in_session, write_in_session};
use crate::connection::{self, MongodbSettings};
use crate::elections::retry_through_elections;
use crate::error::{DriverError, MongodbError, OpenError};
use crate::session_pool::SessionPool;

/// A server puts at most 16 MB into one answer, and leaves out the documents that do not fit without saying so. What is
/// this large may be such an answer.
const LARGE_ANSWER: usize = 15 * 1024 * 1024;

/// The server gives a look up after this.
pub(crate) const LINEARIZABLE_READ_TIMEOUT: Duration = Duration::from_secs(2);

/// As of when a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ReadConsistency {
    /// As a majority has it.
    Majority,
    /// After every write that this process was acknowledged.
    AfterWrites,
}

/// Documents as they were found, by their `_id`.
pub(crate) type Found = HashMap<String, RawDocumentBuf>;

/// Reads by `_id` that are made together.
type Reads = Arc<Batcher<String, OneRead>>;

/// What came of one of several reads.
type OneRead = Result<Option<RawDocumentBuf>, MongodbError>;

/// One database, its client and the calls under way.
pub(crate) struct Database {
    /// For calls that write, and reads after them.
    pub(crate) causal: SessionPool,
    /// For reads of what a majority has.
    plain: SessionPool,
    collections: mongodb::Database,
    calls: CallRunner,
    /// Whether there is a replica set whose majority a read can be confirmed by; a lone server is its own majority.
    replicated: bool,
    /// Whether there may be shards, whose times have no common order.
    sharded: bool,
    /// The latest operation time that a write of this process was acknowledged under.
    written_until: AtomicU64,
    reads: Mutex<HashMap<(&'static str, ReadConsistency), Reads>>,
    pushed: Notify,
}

impl Database {
    pub(crate) async fn open(settings: &MongodbSettings) -> Result<Self, OpenError> {
        let client = connection::client(settings).await?;
        let away = |error: mongodb::error::Error| OpenError::Away((&error).into());
        let admin = client.database("admin");
        let hello: Document = admin.run_command(doc! { "hello": 1 }).await.map_err(away)?;
        let sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        Ok(Self {
            collections: client.database(&settings.database),
            causal: SessionPool::new(client.clone(), true),
            plain: SessionPool::new(client, false),
            calls: CallRunner::on_current_runtime(settings.patience),
            sharded,
            replicated: sharded || hello.contains_key("setName"),
            written_until: AtomicU64::new(0),
            reads: Mutex::default(),
            pushed: Notify::new(),
        })
    }

    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.collections.collection(name)
    }

    pub(crate) fn run_command(&self, command: Document) -> RunCommand<'_> {
        self.collections.run_command(command)
    }

    /// Reads what a majority has, from the primary.
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

    /// One document, as a majority has it.
    pub(crate) async fn find<T>(self: &Arc<Self>, collection: &'static str, id: &str) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned,
    {
        self.find_batched(collection, ReadConsistency::Majority, id.to_owned())
            .await
    }

    /// One document, as a majority has it; that there is none is looked at once more before it is said.
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
        freshness: ReadConsistency,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned,
    {
        let database = self.clone();
        let read = move |ids: Vec<String>| {
            let database = database.clone();
            async move { database.read_each(collection, freshness, &ids).await }
        };
        let found = self
            .reads(collection, freshness)
            .submit(id, &self.calls, read)
            .await??;
        Ok(found.map(|found| document(&found)).transpose()?)
    }

    fn reads(&self, collection: &'static str, freshness: ReadConsistency) -> Reads {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = reads
            .entry((collection, freshness))
            .or_insert_with(|| Arc::new(Batcher::reads()));
        reads.clone()
    }

    /// Reads together. What a server refuses to read together is read one by one: perhaps it concerns one of them only, as
    /// when a shard is away.
    async fn read_each(
        &self,
        collection: &'static str,
        freshness: ReadConsistency,
        ids: &[String],
    ) -> Result<Vec<OneRead>, MongodbError> {
        match retry_through_elections(|_| self.read_batch(collection, freshness, ids)).await {
            Ok(found) => Ok(found.into_iter().map(Ok).collect()),
            Err(MongodbError::Read(failure)) if ids.len() > 1 && failure.may_concern_one() => {
                let alone = ids.iter().map(|id| async move {
                    let found = self.read_batch(collection, freshness, slice::from_ref(id)).await?;
                    Ok(found.into_iter().next().flatten())
                });
                Ok(join_all(alone).await)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn read_batch(
        &self,
        collection: &'static str,
        freshness: ReadConsistency,
        ids: &[String],
    ) -> Result<Vec<Option<RawDocumentBuf>>, MongodbError> {
        let sessions = match freshness {
            ReadConsistency::Majority => &self.plain,
            ReadConsistency::AfterWrites => &self.causal,
        };
        let (lent, mut session) = sessions.acquire().await.map_err(|error| MongodbError::read(&error))?;
        let until = self.written_until.load(Ordering::Acquire);
        if freshness == ReadConsistency::AfterWrites && until > 0 {
            session.advance_operation_time(from_number(until));
        }
        let found = self.find_each(collection, ids, &mut session).await?;
        drop(session);
        sessions.release(lent);
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// Those of the documents that there are, without their outboxes, which are the relay's and may be long.
    pub(crate) async fn find_each(
        &self,
        collection: &str,
        ids: &[String],
        session: &mut ClientSession,
    ) -> Result<Found, MongodbError> {
        let documents = self.collection::<RawDocumentBuf>(collection);
        // A negative limit asks for all of them in one answer.
        let limit = -integer(ids.len() as u64);
        let filter = match ids {
            [id] => doc! { "_id": id },
            ids => doc! { "_id": { "$in": ids } },
        };
        let find = documents
            .find(filter)
            .projection(without_outbox())
            .limit(limit)
            .max_time(LINEARIZABLE_READ_TIMEOUT);
        let found = async {
            let mut cursor = find.session(&mut *session).await?;
            cursor.stream(session).try_collect::<Vec<_>>().await
        };
        let found = found.await.map_err(|error| MongodbError::read(&error))?;
        if is_truncated(ids, &found) {
            return Err(MongodbError::Read(DriverError::too_large()));
        }
        let keyed = found.into_iter().filter_map(|document| {
            let id = document.get_str("_id").ok()?.to_owned();
            Some((id, document))
        });
        Ok(keyed.collect())
    }

    /// Asks for a change that is made together with those that others ask for meanwhile.
    pub(crate) async fn submit_write<Q, A, F>(
        self: &Arc<Self>,
        writes: &Arc<Batcher<Q, A>>,
        question: Q,
        write: impl Fn(Arc<Self>, Vec<Q>) -> F + Send + 'static,
    ) -> Result<A, StoreError>
    where
        Q: Send + 'static,
        A: Send + 'static,
        F: Future<Output = Result<Vec<A>, MongodbError>> + Send,
    {
        let database = self.clone();
        let write = move |questions| write(database.clone(), questions);
        writes.submit(question, &self.calls, write).await
    }

    /// Reads more than once, each read causally after the one before.
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

    /// Runs a call that writes, in a session of its own: what it reads after a write sees that write.
    ///
    /// The call goes on when its caller has gone, so it is **one** conditional write. Whatever is to be decided between two
    /// writes is decided by the caller, who makes a call for each: nothing is decided for one who was answered already.
    /// Only the relay and the garbage collection, which answer nobody, write more than once in a call.
    pub(crate) async fn write<T, F>(
        self: &Arc<Self>,
        call: impl FnOnce(CausalSession) -> F + Clone + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let attempt = |unknown| self.calls.write(write_in_session(self.clone(), unknown, call.clone()));
        Ok(retry_through_elections(attempt).await?)
    }

    /// One document, as it is after every write that this process was acknowledged: causally after them. Between shards
    /// that says nothing, so there it is linearizable.
    pub(crate) async fn find_after_write<T>(
        self: &Arc<Self>,
        collection: &'static str,
        id: String,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        if self.sharded {
            return self.find_linearizable(collection, id).await;
        }
        self.find_batched(collection, ReadConsistency::AfterWrites, id).await
    }

    /// One document, as it is after every write that anybody was acknowledged anywhere before: linearizable where there
    /// are replicas.
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

    pub(crate) async fn read_linearizable<T>(
        &self,
        collection: &str,
        filter: Document,
    ) -> Result<Option<T>, MongodbError>
    where
        T: DeserializeOwned + Send + Sync,
    {
        let concern = if self.replicated {
            ReadConcern::linearizable()
        } else {
            ReadConcern::majority()
        };
        let options = FindOneOptions::builder()
            .read_concern(concern)
            .projection(without_outbox())
            .max_time(LINEARIZABLE_READ_TIMEOUT)
            .build();
        let collection = self.collection::<T>(collection);
        let found = collection.find_one(filter).with_options(options);
        found.await.map_err(|error| MongodbError::read(&error))
    }

    pub(crate) async fn drain(&self) {
        self.calls.finish().await;
    }

    /// Says that a write was acknowledged at this time of the server.
    pub(crate) fn record_operation_time(&self, at: OperationTime) {
        self.written_until.fetch_max(to_number(at), Ordering::AcqRel);
    }

    /// Says that an event was pushed.
    pub(crate) fn notify_event(&self) {
        self.pushed.notify_one();
    }

    pub(crate) async fn wait_for_event(&self) {
        self.pushed.notified().await;
    }
}

fn without_outbox() -> Document {
    doc! { "outbox": 0 }
}

/// Whether documents may have been left out of an answer because it would have been too large. One alone always fits.
fn is_truncated(asked_for: &[String], found: &[RawDocumentBuf]) -> bool {
    let length: usize = found.iter().map(|document| document.as_bytes().len()).sum();
    asked_for.len() > 1 && length >= LARGE_ANSWER
}

/// Reads a document as it is stored.
pub(crate) fn document<T: DeserializeOwned>(found: &RawDocumentBuf) -> Result<T, MongodbError> {
    deserialize_from_slice(found.as_bytes()).map_err(|error| MongodbError::read(&error.into()))
}

fn to_number(time: OperationTime) -> u64 {
    (u64::from(time.time) << 32) | u64::from(time.increment)
}

fn from_number(number: u64) -> OperationTime {
    OperationTime {
        time: u32::try_from(number >> 32).unwrap_or(u32::MAX),
        increment: u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX),
    }
}

#[async_trait]
impl Readiness for Database {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    async fn is_ready(&self) -> bool {
        let ping = self.collections.clone();
        let answer = self.calls.read(async move {
            let answered = ping.run_command(doc! { "ping": 1, "maxTimeMS": 1_000 }).await;
            answered.map(drop).map_err(|error| MongodbError::read(&error))
        });
        tokio::time::timeout(CALL_TIMEOUT, answer)
            .await
            .is_ok_and(|answer| answer.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::rawdoc;

    use super::*;

    #[test]
    fn an_answer_from_which_documents_may_be_missing_is_none() {
        let ids = ["ada", "bob"].map(str::to_owned);
        let document = |length| rawdoc! { "_id": "ada", "name": "a".repeat(length) };
        let small = document(LARGE_ANSWER / 2);
        let rest = LARGE_ANSWER - small.as_bytes().len() - rawdoc! { "_id": "ada", "name": "" }.as_bytes().len();
        let (fits, full) = (document(rest - 1), document(rest));
        assert!(!is_truncated(&ids, &[small.clone(), fits]));
        assert!(is_truncated(&ids, &[small, full]));
        assert!(!is_truncated(&ids[..1], &[document(LARGE_ANSWER)]));
    }

    #[test]
    fn operation_times_keep_their_order_as_numbers() {
        let time = |time, increment| OperationTime { time, increment };
        let times = [time(0, 1), time(1, 0), time(1, u32::MAX), time(2, 3)];
        assert!(times.map(to_number).is_sorted());
        assert_eq!(times.map(to_number).map(from_number), times);
    }
}
