use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ports::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::{SqliteError, is_disk_error};

/// The outcome of a batch's transaction.
#[derive(Clone)]
pub(crate) enum BatchOutcome {
    Committed,
    /// Nothing of the batch was written.
    RolledBack(Arc<dyn Error + Send + Sync>),
    /// `COMMIT` failed: the batch may or may not have been written.
    Unknown(Arc<rusqlite::Error>),
}

/// A command in the queue of the writer.
pub(crate) trait Job: Send {
    /// Returns whether the caller has dropped its future, so that no reply can reach it.
    fn is_abandoned(&self) -> bool;
    fn execute(&mut self, connection: &Connection);
    /// Returns whether the command failed because the disk refused to read or write.
    fn has_disk_error(&self) -> bool;
    fn reply(self: Box<Self>, outcome: &BatchOutcome);
}

/// A command with its result, until the batch has ended.
pub(crate) struct Command<F, T> {
    work: Option<F>,
    result: Option<Result<T, SqliteError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Command<F, T> {
    pub(crate) fn new(work: F, reply: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self {
            work: Some(work),
            result: None,
            reply,
        }
    }
}

impl<F, T> Job for Command<F, T>
where
    F: FnOnce(&Connection) -> Result<T, SqliteError> + Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn execute(&mut self, connection: &Connection) {
        let Some(work) = self.work.take() else { return };
        self.result = Some(run_in_savepoint(connection, work));
    }

    fn has_disk_error(&self) -> bool {
        matches!(&self.result, Some(Err(SqliteError::Sqlite(error))) if is_disk_error(error))
    }

    /// Replies after the commit, even with a rejection, because a rejection may depend on an earlier command of the
    /// batch.
    fn reply(self: Box<Self>, outcome: &BatchOutcome) {
        let answer = match (outcome, self.result) {
            (BatchOutcome::Committed, Some(result)) => result.map_err(StoreError::from),
            (BatchOutcome::Committed, None) => Err(StoreError::from(SqliteError::Panicked)),
            (BatchOutcome::RolledBack(error), _) => Err(StoreError::Unavailable(Box::new(error.clone()))),
            (BatchOutcome::Unknown(error), _) => Err(StoreError::OutcomeUnknown(Box::new(error.clone()))),
        };
        // The caller may have dropped its future.
        let _ = self.reply.send(answer);
    }
}

/// Runs `work` in a savepoint, which is rolled back if `work` fails or panics.
fn run_in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, SqliteError>,
) -> Result<T, SqliteError> {
    let run = |sql: &str| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
    };
    run("SAVEPOINT command")?;
    let result = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or(Err(SqliteError::Panicked));
    // In autocommit mode SQLite has already ended the whole transaction, including the savepoint.
    if connection.is_autocommit() {
        return result;
    }
    if result.is_err() {
        run("ROLLBACK TO command")?;
    }
    run("RELEASE command")?;
    result
}
