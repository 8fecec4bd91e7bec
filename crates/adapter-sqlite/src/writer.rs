//! The writer: one thread that owns the only writable connection of the process, with group commit.
//!
//! SQLite allows one writer at a time, and a commit survives a power cut only after a sync of the disk. So commands
//! wait in a bounded queue, and the thread runs all waiting commands in one transaction. Each has its own savepoint,
//! and they share one sync (docs/protocols.md "Store rules", docs/adr/0001-sqlite-with-one-writer.md).
//!
//! A, B and C wait. The thread begins a transaction. A inserts a row. B violates a constraint, and its savepoint is
//! rolled back. C finds A's row, so its result is a rejection. The thread commits, and only then replies: success to A,
//! the error to B, the rejection to C. If C had its reply before the commit and the commit failed, C's caller would act
//! on a row that does not exist.
//!
//! - A command that fails or panics rolls back its own savepoint. The rest of the batch is committed.
//! - An error that makes SQLite end the transaction rolls back the whole batch. Every command in it fails with
//!   `Unavailable`: nothing was written.
//! - After a failed `COMMIT`, every command of the batch fails with `OutcomeUnknown`. The thread never runs them again,
//!   and opens the file again.
//! - After an error of the disk, the process is not ready until a test write succeeds ([`probe`](crate::probe)).
//! - A command whose caller drops the future before the command begins is skipped: the caller may have reported a
//!   failure already. A command that has begun is committed with its batch, whether or not its caller still waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ports::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::checkpoints::{self, Checkpoints};
use crate::command::{BatchOutcome, Command, Job};
use crate::error::{OpenError, SqliteError, is_disk_error};
use crate::readers::{BUSY_TIMEOUT, STATEMENT_CACHE_CAPACITY};
use crate::row_codec::integer;
use crate::{probe, schema};

/// The maximum number of commands that wait for the thread: 32 full batches. On a slow disk (100 ms per sync) the last
/// of them would wait 3.2 s, and a request is cut off after 2.8 s. One more command fails immediately with
/// `Unavailable`.
const QUEUE_CAPACITY: usize = 4096;

/// The maximum number of commands that share one commit. With more, each command would save little more of the sync,
/// and all of them would wait for the last one.
const MAX_BATCH_SIZE: usize = 128;

/// The interval between two test writes while the disk refuses writes. A full disk is usually noticed by a person, so a
/// second more does not matter.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// A message from the handle to the thread.
enum Message {
    Run(Box<dyn Job>),
    /// Close the connection after the commands before it. The sender is dropped when that is done.
    Close(oneshot::Sender<()>),
}

/// The next step of the thread.
enum Step {
    RunBatch(Box<dyn Job>),
    Probe,
    Close(Option<oneshot::Sender<()>>),
}

/// A handle to the writer thread. The thread ends when the handle is dropped.
pub(crate) struct Writer {
    commands: SyncSender<Message>,
    is_healthy: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
#[error("too many writes are waiting")]
struct QueueFullError;

#[derive(Debug, thiserror::Error)]
#[error("the transaction was rolled back with all its commands")]
struct BatchRolledBackError;

#[derive(Debug, thiserror::Error)]
#[error("the writer thread has stopped")]
struct WriterStoppedError;

impl Writer {
    pub(crate) fn start(file: &Path) -> Result<Self, OpenError> {
        let connection = open(file)?;
        let (commands, queue) = sync_channel(QUEUE_CAPACITY);
        let is_healthy = Arc::new(AtomicBool::new(true));
        let thread = WriterThread {
            file: file.to_owned(),
            connection,
            queue,
            is_healthy: is_healthy.clone(),
            next_probe: Instant::now(),
            checkpoints: Checkpoints::new(file),
            closing: None,
        };
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self { commands, is_healthy })
    }

    /// Returns whether the disk accepts writes, as far as is known: false after a failed write until a test write
    /// succeeds.
    pub(crate) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    /// Closes the connection after all commands that were accepted before, with all their data in the main file. Later
    /// commands fail with `Unavailable`. Returns immediately if the connection is already closed.
    pub(crate) async fn close(&self) {
        let (closed, is_closed) = oneshot::channel();
        let mut message = Message::Close(closed);
        loop {
            match self.commands.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(returned)) => message = returned,
                Err(TrySendError::Disconnected(_)) => return,
            }
            tokio::time::sleep(checkpoints::RETRY_PAUSE).await;
        }
        let _ = is_closed.await;
    }

    /// Runs `work` in a transaction that it may share with other commands, and returns its result once the commit is on
    /// disk.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqliteError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Command::new(work, reply);
        self.commands
            .try_send(Message::Run(Box::new(command)))
            .map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Unavailable(Box::new(QueueFullError)),
                TrySendError::Disconnected(_) => StoreError::Unavailable(Box::new(WriterStoppedError)),
            })?;
        answer
            .await
            .map_err(|_| StoreError::OutcomeUnknown(Box::new(WriterStoppedError)))?
    }
}

struct WriterThread {
    file: PathBuf,
    connection: Connection,
    queue: Receiver<Message>,
    is_healthy: Arc<AtomicBool>,
    /// The time of the next test write, while the thread is not healthy.
    next_probe: Instant,
    checkpoints: Checkpoints,
    /// Set when a batch has met the message to close.
    closing: Option<oneshot::Sender<()>>,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            match self.next_step() {
                Step::RunBatch(first) if first.is_abandoned() => {}
                Step::RunBatch(first) => self.commit_batch(first),
                Step::Probe => self.probe(),
                Step::Close(closed) => {
                    // The commands behind the message fail, and so do later ones.
                    drop(self.queue);
                    checkpoints::close(self.connection, &self.file);
                    drop(closed);
                    return;
                }
            }
        }
    }

    fn next_step(&mut self) -> Step {
        if let Some(closed) = self.closing.take() {
            return Step::Close(Some(closed));
        }
        let message = if self.is_healthy.load(Ordering::Relaxed) {
            self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            let pause = self.next_probe.saturating_duration_since(Instant::now());
            if pause.is_zero() {
                return Step::Probe;
            }
            self.queue.recv_timeout(pause)
        };
        match message {
            Ok(Message::Run(job)) => Step::RunBatch(job),
            Ok(Message::Close(closed)) => Step::Close(Some(closed)),
            Err(RecvTimeoutError::Timeout) => Step::Probe,
            Err(RecvTimeoutError::Disconnected) => Step::Close(None),
        }
    }

    fn commit_batch(&mut self, first: Box<dyn Job>) {
        // If all cores are busy, tasks that are about to write run first and share this commit. If a core is idle,
        // this returns immediately.
        thread::yield_now();
        let (batch, outcome) = self.run_batch(first);
        let has_disk_error = match &outcome {
            BatchOutcome::Committed => batch.iter().any(|job| job.has_disk_error()),
            BatchOutcome::RolledBack(error) => error
                .downcast_ref()
                .is_none_or(|error: &rusqlite::Error| is_disk_error(error)),
            BatchOutcome::Unknown(error) => {
                tracing::error!(
                    error = &**error as &dyn std::error::Error,
                    "a commit failed; the file will be opened again"
                );
                true
            }
        };
        if has_disk_error {
            self.is_healthy.store(false, Ordering::Relaxed);
            self.next_probe = Instant::now() + PROBE_INTERVAL;
        }
        for job in batch {
            job.reply(&outcome);
        }
        if matches!(outcome, BatchOutcome::Unknown(_)) {
            self.reopen();
        }
        self.checkpoints.bound_log(&self.connection);
    }

    /// Tests whether the disk accepts writes again.
    fn probe(&mut self) {
        self.next_probe = Instant::now() + PROBE_INTERVAL;
        match probe::write(&self.connection, &self.file) {
            Ok(()) => {
                self.is_healthy.store(true, Ordering::Relaxed);
                tracing::info!("the disk accepts writes again");
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the disk does not accept writes; the next test follows in a second"
                );
                self.reopen();
            }
        }
    }

    /// Runs the first command and those already in the queue in one transaction, up to [`MAX_BATCH_SIZE`] in total. It
    /// never waits for more commands, so a single command is committed immediately.
    fn run_batch(&mut self, first: Box<dyn Job>) -> (Vec<Box<dyn Job>>, BatchOutcome) {
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            // Another process holds the write lock, and this attempt took BUSY_TIMEOUT. If the queued commands were
            // tried one after the other, each could take as long, so they all fail with this attempt.
            let mut failed = vec![first];
            while let Some(waiting) = self.next_waiting(failed.len(), QUEUE_CAPACITY) {
                failed.push(waiting);
            }
            return (failed, BatchOutcome::RolledBack(Arc::new(error)));
        }
        let mut jobs = Vec::with_capacity(8);
        let mut next = Some(first);
        while let Some(mut job) = next {
            if !job.is_abandoned() {
                job.execute(&self.connection);
            }
            jobs.push(job);
            // Errors such as SQLITE_FULL, SQLITE_IOERR and SQLITE_INTERRUPT may roll back the whole transaction.
            if self.connection.is_autocommit() {
                return (jobs, BatchOutcome::RolledBack(Arc::new(BatchRolledBackError)));
            }
            next = self.next_waiting(jobs.len(), MAX_BATCH_SIZE);
        }
        match self.execute("COMMIT") {
            Ok(()) => (jobs, BatchOutcome::Committed),
            Err(error) => (jobs, BatchOutcome::Unknown(Arc::new(error))),
        }
    }

    /// Returns the next command of the queue, if one is there, and `count` is below `limit`. The message to close ends the batch.
    fn next_waiting(&mut self, count: usize, limit: usize) -> Option<Box<dyn Job>> {
        if count >= limit || self.closing.is_some() {
            return None;
        }
        match self.queue.try_recv().ok()? {
            Message::Run(job) => Some(job),
            Message::Close(closed) => {
                self.closing = Some(closed);
                None
            }
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Opens the file again. If that fails, the old connection stays, and the thread tries again with the next test
    /// write.
    fn reopen(&mut self) {
        match open(&self.file) {
            Ok(connection) => self.connection = connection,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the file cannot be opened again yet"
                );
            }
        }
    }
}

/// Opens the file for writing, and applies the missing migrations.
pub(crate) fn open(file: &Path) -> Result<Connection, OpenError> {
    let sqlite_error = |source| OpenError::Sqlite {
        file: file.display().to_string(),
        source,
    };
    let mut connection = Connection::open(file).map_err(sqlite_error)?;
    configure(&connection).map_err(sqlite_error)?;
    match schema::migrate(&mut connection).map_err(sqlite_error)? {
        Ok(()) => Ok(connection),
        Err(found) => Err(OpenError::Newer {
            file: file.display().to_string(),
            found,
            known: schema::NEWEST_VERSION,
        }),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode only FULL syncs at every commit; NORMAL may lose the last commits in a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "journal_size_limit", integer(checkpoints::MAX_LOG_SIZE))?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
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
    async fn a_failed_or_panicked_command_rolls_back_only_itself() {
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
    async fn a_rolled_back_transaction_fails_its_command() {
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
    async fn an_abandoned_command_is_not_executed() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::start(&folder.path().join("authme.sqlite")).unwrap();
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let busy = move |_: &Connection| {
            let _ = wait.recv();
            Ok(())
        };
        // `busy` holds the thread inside a batch, so the other command is still in the queue when it is dropped.
        let mut busy = Box::pin(writer.write(busy));
        assert!(!is_answered(&mut busy).await);
        let mut abandoned = Box::pin(writer.write(insert("abandoned")));
        assert!(!is_answered(&mut abandoned).await);
        drop(abandoned);
        release.send(()).unwrap();
        busy.await.unwrap();
        assert_eq!(writer.write(count).await.unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_cannot_begin_fails_all_waiting_commands() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let writer = Writer::start(&file).unwrap();
        let other_process = Connection::open(&file).unwrap();
        other_process.execute_batch("BEGIN IMMEDIATE").unwrap();
        let first = async {
            let failed = writer.write(insert("first")).await;
            other_process.execute_batch("ROLLBACK").unwrap();
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
