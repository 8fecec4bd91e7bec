//! Moves what is in the write-ahead log into the main file.
//!
//! SQLite does this after every 1,000 pages (4 MB), but only up to the oldest read transaction, and it starts the log
//! again from its beginning only when no reader uses the log at that moment. Under constant reads the log could grow
//! without a bound.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::readers::BUSY_TIMEOUT;

/// The size in bytes from which the log is emptied: four times the size at which SQLite checkpoints by itself, so that
/// this happens only when readers were in its way.
pub(crate) const MAX_LOG_SIZE: u64 = 16 * 1024 * 1024;

/// The interval between two comparisons of the log with [`MAX_LOG_SIZE`]. At 45,000 writes a second the log grows by a few
/// hundred megabytes in that time at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The time for which emptying the log waits for readers. Writes wait meanwhile, so it is short: with a reader that takes
/// minutes, such as a backup, writes lose a twentieth of each second.
const READER_TIMEOUT: Duration = Duration::from_millis(50);

/// The pause between two attempts while readers of other processes are in the way of the last checkpoint.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The number of attempts of the last checkpoint: 2 s in total. A process has 3 s to close its store.
const CLOSE_ATTEMPTS: u32 = 100;

/// Keeps the write-ahead log of a running process short.
pub(crate) struct Checkpoints {
    log: PathBuf,
    checked_at: Instant,
}

impl Checkpoints {
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            log: log_of(file),
            checked_at: Instant::now(),
        }
    }

    /// Empties the log if it is longer than [`MAX_LOG_SIZE`]. If a long read transaction is in the way, the log grows
    /// until that has ended; the next attempt follows with a write a second later.
    pub(crate) fn bound_log(&mut self, connection: &Connection) {
        if self.checked_at.elapsed() < CHECK_INTERVAL {
            return;
        }
        self.checked_at = Instant::now();
        if fs::metadata(&self.log).is_ok_and(|log| log.len() > MAX_LOG_SIZE) {
            let emptied = connection
                .busy_timeout(READER_TIMEOUT)
                .and_then(|()| run(connection, "TRUNCATE"));
            let restored = connection.busy_timeout(BUSY_TIMEOUT);
            if let Err(error) = emptied.and(restored) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the write-ahead log could not be emptied"
                );
            }
        }
    }
}

fn log_of(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push("-wal");
    PathBuf::from(name)
}

/// Runs a checkpoint, and returns whether all of the log is in the main file.
fn run(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    // The first is true if another process runs a checkpoint or is in the way; then the counts may be -1.
    let (is_busy, pages, moved): (bool, i64, i64) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(!is_busy && pages == moved)
}

/// Closes a connection with all data in the main file. If no other process has the file open, the log is deleted.
///
/// The checkpoint blocks neither readers nor writers of other processes, so that an operator's command does not delay the
/// server. It repeats while a reader keeps it from reaching the end of the log.
pub(crate) fn close(connection: Connection, file: &Path) {
    for _ in 0..CLOSE_ATTEMPTS {
        match run(&connection, "PASSIVE") {
            Ok(true) => break,
            Ok(false) => thread::sleep(RETRY_PAUSE),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the write-ahead log could not be moved into the main file; keep both files together"
                );
                break;
            }
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            file = %file.display(),
            "the store was not closed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::error::SqliteError;
    use crate::{SqliteSettings, writer};

    /// A row of a mebibyte.
    const ROW: i64 = 1024 * 1024;

    fn insert(connection: &Connection) -> Result<(), SqliteError> {
        connection.execute_batch("CREATE TABLE IF NOT EXISTS filler (content BLOB)")?;
        connection.execute("INSERT INTO filler VALUES (zeroblob(?1))", [ROW])?;
        Ok(())
    }

    fn log_size(file: &Path) -> u64 {
        fs::metadata(log_of(file)).map_or(0, |log| log.len())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_reader_delays_the_end_of_the_log_only_while_it_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let settings = SqliteSettings {
            file: file.clone(),
            workers: 1,
        };
        let database = Database::open(&settings).unwrap();
        let reader = Connection::open(&file).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM clients").unwrap();
        while log_size(&file) <= 2 * MAX_LOG_SIZE {
            database.write(insert).await.unwrap();
        }
        reader.execute_batch("ROLLBACK").unwrap();
        let start = Instant::now();
        while log_size(&file) > MAX_LOG_SIZE {
            assert!(start.elapsed() < Duration::from_secs(30), "{} bytes", log_size(&file));
            database.write(insert).await.unwrap();
        }
    }

    #[test]
    fn closing_beside_another_process_moves_everything() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let connection = writer::open(&file).unwrap();
        insert(&connection).unwrap();
        let other_process = Connection::open(&file).unwrap();
        other_process.execute_batch("SELECT count(*) FROM clients").unwrap();
        close(connection, &file);
        let copy = folder.path().join("copy.sqlite");
        fs::copy(&file, &copy).unwrap();
        let rows = Connection::open(&copy).unwrap();
        let rows: i64 = rows
            .query_row("SELECT count(*) FROM filler", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
    }
}
