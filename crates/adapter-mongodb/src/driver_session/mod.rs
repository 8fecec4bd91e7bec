//! Driver sessions: reads at a consistency, and calls in a causally consistent session.
//!
//! In such a session a read sees the writes that were acknowledged earlier in it: the driver sends the session's latest
//! `operationTime` as `afterClusterTime` with each read, and the server answers once a majority has everything up to
//! that time. docs/protocols.md "Linearizable reads" says why this guarantee holds only after a write that matched.

mod causal_session;
mod operation_time;
mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mongodb::bson::{RawDocumentBuf, Timestamp as OperationTime};
use tokio::sync::Notify;

use crate::connection::Connection;
use crate::error::{DriverError, MongodbError};
use pool::SessionPool;

pub(crate) use causal_session::{BulkOutcome, CausalSession};

/// The consistency of a read by `_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ReadConsistency {
    /// Read concern `majority`. Right after a failover the result may be behind an acknowledged write.
    Majority,
    /// Sees every matching write of this process that was acknowledged before the read.
    AfterWrites,
}

/// The sessions over one connection.
pub(crate) struct Sessions {
    connection: Arc<Connection>,
    /// Causally consistent sessions, for writes and the reads after them.
    causal: SessionPool,
    /// Sessions for majority reads.
    plain: SessionPool,
    /// The latest `operationTime` of an acknowledged write of this process, encoded by [`operation_time::to_number`].
    last_operation_time: AtomicU64,
    event_pushed: Arc<Notify>,
}

impl Sessions {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self {
            causal: SessionPool::new(connection.clone(), true),
            plain: SessionPool::new(connection.clone(), false),
            connection,
            last_operation_time: AtomicU64::new(0),
            event_pushed: Arc::default(),
        }
    }

    /// Returns one result per id, in the order of the ids: the document, without its outbox, or `None`.
    pub(crate) async fn find_each(
        &self,
        collection: &str,
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
        let found = self.connection.find_each(collection, ids, &mut session).await?;
        drop(session);
        sessions.release(pooled);
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// Runs a writing call in a session. If it succeeds, records its `operationTime` for later causal reads. The time
    /// of a failed call is not recorded: an election may roll its write back, and a read after that time would never be
    /// answered. `earlier_error` is the error of an earlier attempt at the same call that may have written.
    pub(crate) async fn write<T, F>(
        self: Arc<Self>,
        earlier_error: Option<DriverError>,
        call: impl FnOnce(CausalSession) -> F,
    ) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>>,
    {
        let (answer, operation_time) = self.run(earlier_error, call).await?;
        if let Some(operation_time) = operation_time {
            // The recorded time never decreases.
            let number = operation_time::to_number(operation_time);
            self.last_operation_time.fetch_max(number, Ordering::AcqRel);
        }
        Ok(answer)
    }

    /// Runs a read-only call in a session.
    pub(crate) async fn read<T, F>(self: Arc<Self>, call: impl FnOnce(CausalSession) -> F) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>>,
    {
        self.run(None, call).await.map(|(answer, _)| answer)
    }

    /// Runs a call in a pooled session. Returns its answer and the session's latest `operationTime`. The session
    /// returns to the pool only if the call succeeds.
    async fn run<T, F>(
        &self,
        earlier_error: Option<DriverError>,
        call: impl FnOnce(CausalSession) -> F,
    ) -> Result<(T, Option<OperationTime>), MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>>,
    {
        let acquired = self.causal.acquire().await;
        let (pooled, inner) = acquired.map_err(|error| MongodbError::read(&error))?;
        let session = CausalSession {
            connection: self.connection.clone(),
            event_pushed: self.event_pushed.clone(),
            inner,
            earlier_error,
        };
        let answer = call(session).await?;
        let operation_time = pooled.lock().await.operation_time();
        self.causal.release(pooled);
        Ok((answer, operation_time))
    }

    /// Waits until a call reports that it pushed an event.
    pub(crate) async fn wait_for_event(&self) {
        self.event_pushed.notified().await;
    }
}
