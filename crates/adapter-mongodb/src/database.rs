use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::action::RunCommand;
use mongodb::bson::{Document, RawDocumentBuf, Timestamp as OperationTime, deserialize_from_slice, doc};
use mongodb::options::{FindOneOptions, ReadConcern};
use mongodb::{ClientSession, Collection};
use ports::{Readiness, StoreFailure};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::calls::{Calls, LONGEST_CALL};
use crate::connection::{self, MongodbSettings};
use crate::fault::{DriverFailure, Fault, OpenFailure};
use crate::gathered::Gathered;
use crate::session::{Session, in_session};
use crate::sessions::Sessions;
use crate::stored::integer;

/// The server gives a look up after this.
pub(crate) const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// As of when a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Freshness {
    /// As a majority has it.
    Majority,
    /// After every write that this process was acknowledged.
    AfterWrites,
}

/// Documents as they were found, by their `_id`.
pub(crate) type Found = HashMap<String, RawDocumentBuf>;

/// Reads by `_id` that are made together.
type Reads = Arc<Gathered<String, Option<RawDocumentBuf>>>;

/// One database, its client and the calls under way.
pub(crate) struct Database {
    /// For calls that write, and reads after them.
    pub(crate) causal: Sessions,
    /// For reads of what a majority has.
    plain: Sessions,
    collections: mongodb::Database,
    calls: Calls,
    /// Whether there is a replica set whose majority a read can be confirmed by; a lone server is its own majority.
    replicated: bool,
    /// Whether there may be shards, whose times have no common order.
    sharded: bool,
    /// The latest operation time that a write of this process was acknowledged under.
    written_until: AtomicU64,
    reads: Mutex<HashMap<(&'static str, Freshness), Reads>>,
    pushed: Notify,
}

impl Database {
    pub(crate) async fn open(settings: &MongodbSettings) -> Result<Self, OpenFailure> {
        let client = connection::client(settings).await?;
        let away = |error: mongodb::error::Error| OpenFailure::Away((&error).into());
        let admin = client.database("admin");
        let hello: Document = admin.run_command(doc! { "hello": 1 }).await.map_err(away)?;
        let sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        Ok(Self {
            collections: client.database(&settings.database),
            causal: Sessions::new(client.clone(), true),
            plain: Sessions::new(client, false),
            calls: Calls::here(settings.patience),
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
        call: impl FnOnce(Arc<Self>) -> F + Send,
    ) -> Result<T, StoreFailure>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        self.calls.read(call(self.clone())).await
    }

    /// One document, as a majority has it.
    pub(crate) async fn find<T>(self: &Arc<Self>, collection: &'static str, id: &str) -> Result<Option<T>, StoreFailure>
    where
        T: DeserializeOwned,
    {
        self.find_gathered(collection, Freshness::Majority, id.to_owned()).await
    }

    async fn find_gathered<T>(
        self: &Arc<Self>,
        collection: &'static str,
        freshness: Freshness,
        id: String,
    ) -> Result<Option<T>, StoreFailure>
    where
        T: DeserializeOwned,
    {
        let database = self.clone();
        let read = move |ids| database.clone().read_together(collection, freshness, ids);
        let found = self.reads(collection, freshness).ask(id, &self.calls, read).await?;
        Ok(found.map(|found| document(&found)).transpose()?)
    }

    fn reads(&self, collection: &'static str, freshness: Freshness) -> Reads {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = reads
            .entry((collection, freshness))
            .or_insert_with(|| Arc::new(Gathered::reads()));
        reads.clone()
    }

    async fn read_together(
        self: Arc<Self>,
        collection: &'static str,
        freshness: Freshness,
        ids: Vec<String>,
    ) -> Result<Vec<Option<RawDocumentBuf>>, Fault> {
        let sessions = match freshness {
            Freshness::Majority => &self.plain,
            Freshness::AfterWrites => &self.causal,
        };
        let (lent, mut session) = sessions.lend().await.map_err(|error| Fault::read(&error))?;
        let until = self.written_until.load(Ordering::Acquire);
        if freshness == Freshness::AfterWrites && until > 0 {
            session.advance_operation_time(from_number(until));
        }
        let found = self.find_each(collection, &ids, &mut session).await?;
        drop(session);
        sessions.give_back(lent);
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// Those of the documents that there are.
    pub(crate) async fn find_each(
        &self,
        collection: &str,
        ids: &[String],
        session: &mut ClientSession,
    ) -> Result<Found, Fault> {
        let documents = self.collection::<RawDocumentBuf>(collection);
        // A negative limit asks for all of them in one answer.
        let limit = -integer(ids.len() as u64);
        let filter = match ids {
            [id] => doc! { "_id": id },
            ids => doc! { "_id": { "$in": ids } },
        };
        let find = documents.find(filter).limit(limit).max_time(LONGEST_LOOK);
        let found = async {
            let mut cursor = find.session(&mut *session).await?;
            cursor.stream(session).try_collect::<Vec<_>>().await
        };
        let found = found.await.map_err(|error| Fault::read(&error))?;
        let keyed = found.into_iter().map(|document| {
            let id = document.get_str("_id").map(str::to_owned);
            id.map(|id| (id, document))
        });
        let keyed = keyed.collect::<Result<_, _>>();
        keyed.map_err(|_| Fault::Read(DriverFailure::unreadable()))
    }

    /// Asks for a change that is made together with those that others ask for meanwhile.
    pub(crate) async fn write_together<Q, A, F>(
        self: &Arc<Self>,
        writes: &Arc<Gathered<Q, A>>,
        question: Q,
        write: impl Fn(Arc<Self>, Vec<Q>) -> F + Send + 'static,
    ) -> Result<A, StoreFailure>
    where
        Q: Send + 'static,
        A: Send + 'static,
        F: Future<Output = Result<Vec<A>, Fault>> + Send,
    {
        let database = self.clone();
        let write = move |questions| write(database.clone(), questions);
        writes.ask(question, &self.calls, write).await
    }

    /// Reads more than once, each read causally after the one before.
    pub(crate) async fn read_in_session<T, F>(
        self: &Arc<Self>,
        call: impl FnOnce(Session) -> F + Send + 'static,
    ) -> Result<T, StoreFailure>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        self.calls.read(in_session(self.clone(), call)).await
    }

    /// Runs a call that writes, in a session of its own: what it reads after a write sees that write.
    pub(crate) async fn write<T, F>(
        self: &Arc<Self>,
        call: impl FnOnce(Session) -> F + Send + 'static,
    ) -> Result<T, StoreFailure>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        self.calls.write(in_session(self.clone(), call)).await
    }

    /// One document, as it is after every write that this process was acknowledged: causally after them. Between shards
    /// that says nothing, so there it is linearizable.
    pub(crate) async fn find_after_write<T>(
        self: &Arc<Self>,
        collection: &'static str,
        id: String,
    ) -> Result<Option<T>, StoreFailure>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        if self.sharded {
            return self.find_linearizable(collection, id).await;
        }
        self.find_gathered(collection, Freshness::AfterWrites, id).await
    }

    /// One document, as it is after every write that anybody was acknowledged anywhere before: linearizable where there
    /// are replicas.
    pub(crate) async fn find_linearizable<T>(
        self: &Arc<Self>,
        collection: &'static str,
        id: String,
    ) -> Result<Option<T>, StoreFailure>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.read(|database| async move { database.linearizable(collection, doc! { "_id": id }).await })
            .await
    }

    pub(crate) async fn linearizable<T>(&self, collection: &str, filter: Document) -> Result<Option<T>, Fault>
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
            .max_time(LONGEST_LOOK)
            .build();
        let collection = self.collection::<T>(collection);
        let found = collection.find_one(filter).with_options(options);
        found.await.map_err(|error| Fault::read(&error))
    }

    pub(crate) async fn finish_calls(&self) {
        self.calls.finish().await;
    }

    /// Says that a write was acknowledged at this time of the server.
    pub(crate) fn written(&self, at: OperationTime) {
        self.written_until.fetch_max(to_number(at), Ordering::AcqRel);
    }

    /// Says that an event was pushed.
    pub(crate) fn event_pushed(&self) {
        self.pushed.notify_one();
    }

    pub(crate) async fn until_pushed(&self) {
        self.pushed.notified().await;
    }
}

/// Reads a document as it is stored.
pub(crate) fn document<T: DeserializeOwned>(found: &RawDocumentBuf) -> Result<T, Fault> {
    deserialize_from_slice(found.as_bytes()).map_err(|error| Fault::read(&error.into()))
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
            answered.map(drop).map_err(|error| Fault::read(&error))
        });
        tokio::time::timeout(LONGEST_CALL, answer)
            .await
            .is_ok_and(|answer| answer.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_times_keep_their_order_as_numbers() {
        let time = |time, increment| OperationTime { time, increment };
        let times = [time(0, 1), time(1, 0), time(1, u32::MAX), time(2, 3)];
        assert!(times.map(to_number).is_sorted());
        assert_eq!(times.map(to_number).map(from_number), times);
    }
}
