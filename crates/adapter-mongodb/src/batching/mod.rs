//! Batching: requests that wait at the same time share one command.
//!
//! The rest of the adapter submits a read of a document ([`Batching::find`]), or a write to a queue of its own
//! ([`Batching::write_queue`]), and gets the outcome that a command of its own would have. When batching is off, each
//! request is such a command. docs/adr/0011-batched-reads.md says what batching gains.

mod batcher;

use std::collections::HashMap;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use mongodb::bson::RawDocumentBuf;
use ports::StoreError;

use crate::call_runner::CallRunner;
use crate::driver_session::{ReadConsistency, Sessions};
use crate::elections::retry_through_elections;
use crate::error::MongodbError;

pub(crate) use batcher::Batcher;

/// The result of one read of a batch.
type ReadResult = Result<Option<RawDocumentBuf>, MongodbError>;

/// Reads of one collection at one consistency, by `_id`.
type ReadQueue = Arc<Batcher<String, ReadResult>>;

/// The queues of the reads, and what the queues of writes need.
pub(crate) struct Batching {
    is_on: bool,
    calls: Arc<CallRunner>,
    sessions: Arc<Sessions>,
    read_queues: Mutex<HashMap<(&'static str, ReadConsistency), ReadQueue>>,
}

impl Batching {
    pub(crate) fn new(is_on: bool, calls: Arc<CallRunner>, sessions: Arc<Sessions>) -> Self {
        Self {
            is_on,
            calls,
            sessions,
            read_queues: Mutex::default(),
        }
    }

    /// Returns the document with this id, from a read that begins after this call.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = collection))]
    pub(crate) async fn find(
        &self,
        collection: &'static str,
        consistency: ReadConsistency,
        id: String,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        Ok(self.read_queue(collection, consistency).submit(id).await??)
    }

    /// Creates a queue of writes. `execute` sends one command for a batch and returns one answer per request, in the
    /// order of the requests.
    pub(crate) fn write_queue<Q, A, F>(&self, execute: fn(Arc<Sessions>, Vec<Q>) -> F) -> Arc<Batcher<Q, A>>
    where
        Q: Send + 'static,
        A: Send + 'static,
        F: Future<Output = Result<Vec<A>, MongodbError>> + Send + 'static,
    {
        let sessions = self.sessions.clone();
        let execute = move |requests| execute(sessions.clone(), requests);
        Arc::new(Batcher::new(
            self.is_on,
            self.calls.clone(),
            MongodbError::Write,
            execute,
        ))
    }

    fn read_queue(&self, collection: &'static str, consistency: ReadConsistency) -> ReadQueue {
        let mut queues = self.read_queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry((collection, consistency)).or_insert_with(|| {
            let sessions = self.sessions.clone();
            let read = move |ids| read_each(sessions.clone(), collection, consistency, ids);
            Arc::new(Batcher::new(self.is_on, self.calls.clone(), MongodbError::Read, read))
        });
        queue.clone()
    }
}

/// Reads the documents in one command. If the server rejects it for a reason that may concern a single document, reads
/// them one by one. Scenario: the reply with A's and B's documents would be too large. Read one by one, both fit.
async fn read_each(
    sessions: Arc<Sessions>,
    collection: &'static str,
    consistency: ReadConsistency,
    ids: Vec<String>,
) -> Result<Vec<ReadResult>, MongodbError> {
    match retry_through_elections(|_| sessions.find_each(collection, consistency, &ids)).await {
        Ok(found) => Ok(found.into_iter().map(Ok).collect()),
        Err(MongodbError::Read(error)) if ids.len() > 1 && error.may_concern_one() => {
            let alone = ids.iter().map(|id| async {
                let found = sessions.find_each(collection, consistency, slice::from_ref(id)).await?;
                Ok(found.into_iter().next().flatten())
            });
            Ok(join_all(alone).await)
        }
        Err(error) => Err(error),
    }
}
