use std::error::Error;

use ports::StoreFailure;

/// Why the file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    #[error("`{file}` cannot be opened")]
    Sqlite {
        file: String,
        #[source]
        source: rusqlite::Error,
    },
    #[error("`{file}` has schema version {found}, and this AuthMe knows versions up to {known}: run a newer one")]
    Newer { file: String, found: usize, known: usize },
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
    #[error("the event log cannot be read")]
    EventLog(#[from] StoreFailure),
}

/// What can go wrong inside a command, before it is said in the words of the port.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
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

impl Fault {
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

impl From<Fault> for StoreFailure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sqlite(error) => Self::Unavailable(Box::new(error)),
            Fault::Corrupt { what, id, cause } => Self::Corrupt { what, id, cause },
            Fault::Panicked => Self::Unavailable(Box::new(fault)),
        }
    }
}
