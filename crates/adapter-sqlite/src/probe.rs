//! The test write that shows whether a disk that refused a write accepts writes again.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// The room in bytes that has to be free: a full batch of 128 commands with about 4 kB each, twice. With less, the process
/// would be ready for a moment, and the next batch would fail again.
const ROOM: usize = 1024 * 1024;

/// The reason why a test write failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("there is no room for {ROOM} bytes")]
    NoRoom(#[source] io::Error),
    #[error("a transaction cannot be committed")]
    Sqlite(#[from] rusqlite::Error),
}

/// Writes and removes a file of 1 MiB next to the store, and commits a transaction that changes nothing.
pub(crate) fn write(connection: &Connection, file: &Path) -> Result<(), ProbeError> {
    let mut name = OsString::from(file);
    name.push("-probe");
    reserve_room(&PathBuf::from(name)).map_err(ProbeError::NoRoom)?;
    // Writing the version writes the first page, even if the version stays the same.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)?;
    Ok(connection.execute_batch("COMMIT")?)
}

fn reserve_room(path: &Path) -> io::Result<()> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let mut file = opened;
    let written = file.write_all(&vec![0; ROOM]).and_then(|()| file.sync_all());
    let removed = fs::remove_file(path);
    written.and(removed)
}
