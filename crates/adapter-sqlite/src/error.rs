use std::error::Error;

use ports::StoreError;
use rusqlite::ErrorCode;

/// An error while opening the file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`{file}` cannot be opened")]
    Sqlite {
        file: String,
        #[source]
        source: rusqlite::Error,
    },
    #[error("`{file}` has schema version {found}, and this AuthMe knows versions up to {known}: run a newer AuthMe")]
    Newer { file: String, found: usize, known: usize },
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
    #[error("the event log cannot be read")]
    EventLog(#[from] StoreError),
}

/// The error of a command or read, before it becomes a [`StoreError`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqliteError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("stored {what} `{id}` cannot be read")]
    Corrupt {
        what: &'static str,
        id: String,
        cause: Box<dyn Error + Send + Sync>,
    },
    #[error("a command panicked")]
    Panicked,
}

impl SqliteError {
    pub(crate) fn corrupt(
        what: &'static str,
        id: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt {
            what,
            id: id.into(),
            cause: cause.into(),
        }
    }
}

/// Returns whether the disk refused to read or write: it is full, read-only or faulty, or the file is damaged.
pub(crate) fn is_disk_error(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    code.is_some_and(|code| {
        matches!(
            code,
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
        )
    })
}

impl From<SqliteError> for StoreError {
    fn from(error: SqliteError) -> Self {
        match error {
            // The savepoint of the command was rolled back, so nothing was written.
            SqliteError::Sqlite(source) => Self::Unavailable(Box::new(source)),
            SqliteError::Corrupt { what, id, cause } => Self::Corrupt { what, id, cause },
            SqliteError::Panicked => Self::Unavailable(Box::new(error)),
        }
    }
}
