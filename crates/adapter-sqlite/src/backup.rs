use std::path::Path;

use domain::time::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::{OpenError, SqliteError};
use crate::readers::BUSY_TIMEOUT;
use crate::row_codec::{self, Reader, integer};
use crate::{checkpoints, schema, store_base, writer};

/// The reason why a file was not backed up or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the store cannot be read or written")]
    Sqlite(#[from] rusqlite::Error),
    #[error("a stored value cannot be read")]
    Stored(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the store cannot be opened")]
    Open(#[from] OpenError),
    #[error("`{file}` is damaged: {defect}")]
    Damaged { file: String, defect: String },
}

impl From<SqliteError> for BackupError {
    fn from(error: SqliteError) -> Self {
        match error {
            SqliteError::Sqlite(error) => Self::Sqlite(error),
            other => Self::Stored(Box::new(other)),
        }
    }
}

fn open_read_only(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Copies a store into `copy`, as it is at one moment, while other processes read and write it. `copy` is an empty file,
/// whose mode stays the same. Its content is not synced.
///
/// The copy is made by one read transaction, so the write-ahead log of the store grows meanwhile.
pub fn back_up(file: &Path, copy: &Path) -> Result<(), BackupError> {
    let connection = open_read_only(file)?;
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    Ok(())
}

/// Checks that a file is a store that this version can read, and that it is not damaged.
pub fn check(file: &Path) -> Result<(), BackupError> {
    let connection = open_read_only(file)?;
    let defect: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if defect != "ok" {
        let file = file.display().to_string();
        return Err(BackupError::Damaged { file, defect });
    }
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = usize::try_from(version).unwrap_or(usize::MAX);
    if found > schema::NEWEST_VERSION {
        let (file, known) = (file.display().to_string(), schema::NEWEST_VERSION);
        return Err(OpenError::Newer { file, found, known }.into());
    }
    Ok(())
}

/// Raises the base of a restored store (`store_base.rs`), and returns the new base. No other process may have the file
/// open. All data is in the main file afterwards.
pub fn raise_base(file: &Path, now: Timestamp) -> Result<u64, BackupError> {
    let mut connection = writer::open(file)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let head = last_cursor(&transaction)?;
    let now = u64::try_from(now.as_microsecond()).unwrap_or_default();
    let base = now.max(store_base::read(&transaction)? + 1).max(head + 1);
    row_codec::execute(
        &transaction,
        "INSERT INTO store_base (id, base) VALUES (0, ?1) ON CONFLICT (id) DO UPDATE SET base = excluded.base",
        [integer(base)],
    )?;
    // The lost store has published other events after `head`. A consumer that has seen them must start again.
    row_codec::execute(
        &transaction,
        "INSERT OR REPLACE INTO event_gaps (first, through) VALUES (?1, ?2)",
        (integer(head + 1), integer(base)),
    )?;
    let sql = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'events'";
    if row_codec::execute(&transaction, sql, [integer(base)])? == 0 {
        let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?1)";
        row_codec::execute(&transaction, sql, [integer(base)])?;
    }
    transaction.commit()?;
    checkpoints::close(connection, file);
    Ok(base)
}

/// Returns the cursor of the last event that the log ever had.
fn last_cursor(connection: &Connection) -> Result<u64, SqliteError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'events'";
    let cursor = row_codec::first(connection, sql, [], |row| Reader::new("events", row).count(0))?;
    Ok(cursor.unwrap_or_default())
}
