//! The one writable connection, on a thread of its own, with group commit.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use ports::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::{OpenError, SqliteError};
use crate::readers::BUSY_TIMEOUT;
use crate::schema;

/// Commands that may wait; one more is refused rather than kept waiting for longer than anyone listens.
const QUEUE_CAPACITY: usize = 4096;

/// Commands that share one commit.
const MAX_BATCH_SIZE: usize = 128;

/// What became of a batch, told to each of its commands.
#[derive(Clone)]
enum BatchOutcome {
    Committed,
    /// Rolled back whole.
    RolledBack(Arc<dyn Error + Send + Sync>),
    /// The commit itself failed: it may or may not have happened.
    Unknown(Arc<rusqlite::Error>),
}

trait Job: Send {
    /// Whether its caller has gone.
    fn is_abandoned(&self) -> bool;
    fn execute(&mut self, connection: &Connection);
    fn reply(self: Box<Self>, ending: &BatchOutcome);
}

struct Command<F, T> {
    work: Option<F>,
    result: Option<Result<T, SqliteError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Command<F, T>
where
    F: FnOnce(&Connection) -> Result<T, SqliteError> + Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Runs inside a savepoint, so that a command that fails takes nothing of the batch with it.
    fn execute(&mut self, connection: &Connection) {
        let Some(work) = self.work.take() else { return };
        self.result = Some(in_savepoint(connection, work));
    }

    /// Every answer, a refusal too, waits for the commit: it may rest on a command before it in the batch.
    fn reply(self: Box<Self>, ending: &BatchOutcome) {
        let answer = match (ending, self.result) {
            (BatchOutcome::Committed, Some(result)) => result.map_err(StoreError::from),
            (BatchOutcome::Committed, None) => Err(StoreError::from(SqliteError::Panicked)),
            (BatchOutcome::RolledBack(error), _) => Err(StoreError::Unavailable(Box::new(error.clone()))),
            (BatchOutcome::Unknown(error), _) => Err(StoreError::OutcomeUnknown(Box::new(error.clone()))),
        };
        // Whoever asked may have hung up.
        let _ = self.reply.send(answer);
    }
}

fn in_savepoint<T>(
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
    if connection.is_autocommit() {
        return result;
    }
    if result.is_err() {
        run("ROLLBACK TO command")?;
    }
    run("RELEASE command")?;
    result
}

/// The way to the writer thread.
pub(crate) struct Writer {
    commands: SyncSender<Box<dyn Job>>,
    healthy: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
#[error("too many writes are waiting")]
struct Overloaded;

#[derive(Debug, thiserror::Error)]
#[error("the transaction was rolled back with all its commands")]
struct BatchRolledBack;

#[derive(Debug, thiserror::Error)]
#[error("the writer has ended")]
struct WriterStopped;

impl Writer {
    pub(crate) fn start(file: &Path) -> Result<Self, OpenError> {
        let connection = open(file)?;
        let (commands, waiting) = sync_channel(QUEUE_CAPACITY);
        let healthy = Arc::new(AtomicBool::new(true));
        let thread = WriterThread {
            file: file.to_owned(),
            connection,
            waiting,
            healthy: healthy.clone(),
        };
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self { commands, healthy })
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Runs `work` in a transaction it may share with others; answers once it is on disk.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqliteError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Command {
            work: Some(work),
            result: None,
            reply,
        };
        self.commands
            .try_send(Box::new(command))
            .map_err(|refused| match refused {
                TrySendError::Full(_) => StoreError::Unavailable(Box::new(Overloaded)),
                TrySendError::Disconnected(_) => StoreError::Unavailable(Box::new(WriterStopped)),
            })?;
        answer
            .await
            .map_err(|_| StoreError::OutcomeUnknown(Box::new(WriterStopped)))?
    }
}

struct WriterThread {
    file: PathBuf,
    connection: Connection,
    waiting: Receiver<Box<dyn Job>>,
    healthy: Arc<AtomicBool>,
}

impl WriterThread {
    fn run(mut self) {
        while let Ok(first) = self.waiting.recv() {
            if first.is_abandoned() {
                continue;
            }
            // Where no core is idle, those who are about to write come first and share the commit; else this is nothing.
            thread::yield_now();
            let (batch, ending) = self.batch(first);
            if let BatchOutcome::Unknown(error) = &ending {
                tracing::error!(
                    error = &**error as &dyn std::error::Error,
                    "a commit failed; the file is opened again"
                );
                self.healthy.store(false, Ordering::Relaxed);
            }
            for job in batch {
                job.reply(&ending);
            }
            if !self.healthy.load(Ordering::Relaxed) {
                self.reopen();
            }
        }
    }

    /// One transaction: the first command and whatever else is waiting already. It never waits for more. A command whose
    /// caller has gone before it began is not executed: its caller may have been answered that it failed.
    fn batch(&self, first: Box<dyn Job>) -> (Vec<Box<dyn Job>>, BatchOutcome) {
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            // Those that came meanwhile have waited as long, and would wait as long again, one after the other.
            let waiting = self.waiting.try_iter().take(QUEUE_CAPACITY);
            let failed = [first].into_iter().chain(waiting).collect();
            return (failed, BatchOutcome::RolledBack(Arc::new(error)));
        }
        let mut jobs = Vec::with_capacity(8);
        let mut next = Some(first);
        while let Some(mut job) = next {
            if !job.is_abandoned() {
                job.execute(&self.connection);
            }
            jobs.push(job);
            // FULL, INTERRUPT and their like roll back the whole transaction, not the statement.
            if self.connection.is_autocommit() {
                return (jobs, BatchOutcome::RolledBack(Arc::new(BatchRolledBack)));
            }
            next = if jobs.len() < MAX_BATCH_SIZE {
                self.waiting.try_recv().ok()
            } else {
                None
            };
        }
        match self.execute("COMMIT") {
            Ok(()) => (jobs, BatchOutcome::Committed),
            Err(error) => (jobs, BatchOutcome::Unknown(Arc::new(error))),
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn reopen(&mut self) {
        match open(&self.file) {
            Ok(connection) => {
                self.connection = connection;
                self.healthy.store(true, Ordering::Relaxed);
            }
            Err(failure) => {
                tracing::error!(
                    error = &failure as &dyn std::error::Error,
                    "the file cannot be opened again yet"
                );
            }
        }
    }
}

fn open(file: &Path) -> Result<Connection, OpenError> {
    let failure = |source| OpenError::Sqlite {
        file: file.display().to_string(),
        source,
    };
    let mut connection = Connection::open(file).map_err(failure)?;
    configure(&connection).map_err(failure)?;
    match schema::migrate(&mut connection).map_err(failure)? {
        Ok(()) => Ok(connection),
        Err(found) => Err(OpenError::Newer {
            file: file.display().to_string(),
            found,
            known: schema::KNOWN,
        }),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(name: &'static str) -> impl FnOnce(&Connection) -> Result<(), SqliteError> + Send {
        move |connection| {
            connection.execute("INSERT INTO groups (name, roles) VALUES (?1, '[]')", [name])?;
            Ok(())
        }
    }

    fn count(connection: &Connection) -> Result<i64, SqliteError> {
        Ok(connection.query_row("SELECT count(*) FROM groups", [], |row| row.get(0))?)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_command_that_fails_or_panics_takes_nothing_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::start(&folder.path().join("authme.sqlite")).unwrap();
        let failing = |connection: &Connection| -> Result<(), SqliteError> {
            insert("half")(connection)?;
            insert("half")(connection)
        };
        let panicking = |connection: &Connection| -> Result<(), SqliteError> {
            insert("panic")(connection)?;
            panic!("a bug in a command");
        };
        let (good, failed, panicked, also_good) = tokio::join!(
            writer.write(insert("one")),
            writer.write(failing),
            writer.write(panicking),
            writer.write(insert("two"))
        );
        good.unwrap();
        also_good.unwrap();
        assert!(matches!(failed, Err(StoreError::Unavailable(_))));
        assert!(matches!(panicked, Err(StoreError::Unavailable(_))));
        assert_eq!(writer.write(count).await.unwrap(), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_rolled_back_from_inside_fails_everyone_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::start(&folder.path().join("authme.sqlite")).unwrap();
        let rollback = |connection: &Connection| -> Result<(), SqliteError> {
            insert("gone")(connection)?;
            connection.execute_batch("ROLLBACK")?;
            Ok(())
        };
        assert!(matches!(writer.write(rollback).await, Err(StoreError::Unavailable(_))));
        assert_eq!(writer.write(count).await.unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_command_whose_caller_has_gone_before_it_began_is_not_executed() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::start(&folder.path().join("authme.sqlite")).unwrap();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let busy = move |_: &Connection| {
            let _ = wait.recv();
            Ok(())
        };
        // One goes with the batch that is under way, the other would begin the next.
        let mut busy = Box::pin(writer.write(busy));
        assert!(!is_answered(&mut busy).await);
        let mut given_up = Box::pin(writer.write(insert("given up")));
        assert!(!is_answered(&mut given_up).await);
        drop(given_up);
        go_on.send(()).unwrap();
        busy.await.unwrap();
        assert_eq!(writer.write(count).await.unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_waits_behind_a_command_that_cannot_begin_fails_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let writer = Writer::start(&file).unwrap();
        let operator = Connection::open(&file).unwrap();
        operator.execute_batch("BEGIN IMMEDIATE").unwrap();
        let first = async {
            let failed = writer.write(insert("first")).await;
            operator.execute_batch("ROLLBACK").unwrap();
            failed
        };
        let (first, second) = tokio::join!(first, writer.write(insert("second")));
        for failed in [first, second] {
            assert!(matches!(failed, Err(StoreError::Unavailable(_))));
        }
        writer.write(insert("third")).await.unwrap();
        assert_eq!(writer.write(count).await.unwrap(), 1);
    }

    async fn is_answered<F: Future + Unpin>(answer: &mut F) -> bool {
        tokio::select! {
            biased;
            _ = answer => true,
            () = std::future::ready(()) => false,
        }
    }
}
