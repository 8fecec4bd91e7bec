use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::SqliteError;

/// Longest wait of a connection for a lock that another process has, such as an operator's command. It leaves a
/// request, which is cut off after 2.8 s, time to answer.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Prepared statements that each connection keeps: more than this crate has, so none is prepared twice.
pub(crate) const STATEMENT_CACHE_CAPACITY: usize = 64;

/// A stack of read-only connections.
///
/// A read runs on the thread of its caller: it takes 12 µs, and `spawn_blocking` alone would cost as much again
/// (docs/adr/0001-sqlite-with-one-writer.md). Every statement outside a transaction sees all that is committed when it
/// begins, so all kinds of read of the ports, linearizable ones included, are the same here.
pub(crate) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// Connections that are kept open when no read runs. More are opened as needed and closed after use.
    keep: usize,
}

impl Readers {
    pub(crate) fn new(file: &Path, keep: usize) -> Self {
        Self {
            file: file.to_owned(),
            idle: Mutex::new(Vec::with_capacity(keep)),
            keep,
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
        if idle.len() < self.keep {
            idle.push(connection);
        }
        result
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
