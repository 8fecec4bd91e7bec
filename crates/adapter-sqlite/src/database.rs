use std::ffi::OsStr;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use ports::{Readiness, StoreError};
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};
use tracing::{Instrument as _, Span};

use crate::error::{OpenError, SqliteError};
use crate::readers::Readers;
use crate::store_base;
use crate::writer::Writer;

/// Settings of the embedded store.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    pub file: PathBuf,
    /// The number of threads that read at the same time. One connection is kept open for each.
    pub workers: usize,
}

type Scan = Box<dyn FnOnce(&Connection) + Send>;

/// One SQLite file: its writer, its readers, and a thread for scans.
pub(crate) struct Database {
    writer: Writer,
    readers: Readers,
    /// `None` ends the thread.
    scans: Sender<Option<Scan>>,
    /// Fails when the thread for scans has ended. Taken by the first close.
    scans_ended: Mutex<Option<oneshot::Receiver<()>>>,
    event_pushed: Notify,
    /// The base of all epochs and sequences: `store_base`.
    base: u64,
}

impl Database {
    pub(crate) fn open(settings: &SqliteSettings) -> Result<Self, OpenError> {
        let writer = Writer::start(&settings.file)?;
        // Two more than the workers: the relay and the readiness check read as well.
        let readers = Readers::new(&settings.file, settings.workers + 2);
        let sqlite_error = |source| OpenError::Sqlite {
            file: settings.file.display().to_string(),
            source,
        };
        let scanner = readers.open().map_err(sqlite_error)?;
        let (scans, queue) = channel::<Option<Scan>>();
        let (ended, scans_ended) = oneshot::channel();
        thread::Builder::new().name("sqlite-scan".to_owned()).spawn(move || {
            while let Ok(Some(scan)) = queue.recv() {
                scan(&scanner);
            }
            drop(scanner);
            drop(ended);
        })?;
        let base = readers.read(store_base::read).map_err(StoreError::from)?;
        Ok(Self {
            writer,
            readers,
            scans,
            scans_ended: Mutex::new(Some(scans_ended)),
            event_pushed: Notify::new(),
            base,
        })
    }

    /// Returns the base of all epochs: no user and no client has a lower one. It changes only by a restore, which needs a
    /// file that no process has open.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Closes all connections, with all data in the main file. Commands that were accepted are committed first; later
    /// ones fail.
    pub(crate) async fn close(&self) {
        let _ = self.scans.send(None);
        let ended = self.scans_ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
        self.readers.close_idle();
        self.writer.close().await;
    }

    /// Reads a few rows by key on the calling thread. The read sees everything that is committed when it begins.
    #[track_caller]
    pub(crate) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, SqliteError>) -> Result<T, StoreError> {
        let span = call_span("read", Location::caller());
        span.in_scope(|| self.readers.read(query)).map_err(StoreError::from)
    }

    /// Reads many rows on the scan thread, one scan after the other, so that no worker is blocked for long.
    #[track_caller]
    pub(crate) fn scan<T, F>(&self, query: F) -> impl Future<Output = Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqliteError> + Send + 'static,
    {
        let span = call_span("scan", Location::caller());
        self.run_scan(query).instrument(span)
    }

    async fn run_scan<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqliteError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let scan: Scan = Box::new(move |connection| {
            let _ = reply.send(query(connection));
        });
        let panicked = || StoreError::from(SqliteError::Panicked);
        self.scans.send(Some(scan)).map_err(|_| panicked())?;
        answer.await.map_err(|_| panicked())?.map_err(StoreError::from)
    }

    /// Runs the command on the writer thread, and returns its result once the commit is on disk.
    #[track_caller]
    pub(crate) fn write<T, F>(&self, command: F) -> impl Future<Output = Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqliteError> + Send + 'static,
    {
        let span = call_span("write", Location::caller());
        self.writer.write(command).instrument(span)
    }

    /// Wakes the relay after an event was pushed.
    pub(crate) fn notify_event(&self) {
        self.event_pushed.notify_one();
    }

    pub(crate) async fn wait_for_event(&self) {
        self.event_pushed.notified().await;
    }
}

/// Returns the span of a call. It names the store by the file of the caller, for example `refresh_families`.
fn call_span(operation: &str, caller: &Location<'_>) -> Span {
    tracing::trace_span!(
        "store",
        operation,
        store = Path::new(caller.file()).file_stem().and_then(OsStr::to_str)
    )
}

#[async_trait]
impl Readiness for Database {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn is_ready(&self) -> bool {
        self.writer.is_healthy()
            && self
                .readers
                .read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?))
                .is_ok()
    }
}
