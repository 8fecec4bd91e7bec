use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::SqliteError;

/// The time for which a connection waits for a lock that another process holds, such as an operator's command. A
/// request is cut off after 2.8 s, so it still has time to answer.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum number of prepared statements that each connection keeps. This crate has fewer, so a connection prepares
/// each statement only once.
pub(crate) const STATEMENT_CACHE_CAPACITY: usize = 64;

/// A stack of read-only connections.
///
/// A read runs on the thread of its caller: it takes 12 µs, and `spawn_blocking` alone would take the same time
/// (docs/adr/0001-sqlite-with-one-writer.md). Every statement outside a transaction sees all that is committed when it
/// begins, so all reads of the ports, including linearizable ones, are the same here.
pub(crate) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// The maximum number of idle connections. More are opened as needed and closed after use.
    max_idle: usize,
}

impl Readers {
    pub(crate) fn new(file: &Path, max_idle: usize) -> Self {
        Self {
            file: file.to_owned(),
            idle: Mutex::new(Vec::with_capacity(max_idle)),
            max_idle,
        }
    }

    pub(crate) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, SqliteError>) -> Result<T, SqliteError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = query(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.max_idle {
            idle.push(connection);
        }
        result
    }

    /// Closes the idle connections. Later reads open new ones.
    pub(crate) fn close_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Query planner stability guarantee: without it, SQLite may plan a join again for every value bound.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
        Ok(connection)
    }
}
