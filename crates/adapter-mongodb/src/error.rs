//! The errors of the adapter, and which of them leave the outcome of a write unknown.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use mongodb::bson::Document;
use mongodb::error::{ErrorKind, WriteFailure};
use ports::StoreError;

/// An error while opening the store. The messages contain nothing of the URI, which may contain a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the MongoDB URI cannot be read")]
    Uri(#[source] DriverError),
    #[error(
        "the MongoDB URI sets `{0}`, which AuthMe sets itself (write concern `majority` with journal, read concern \
         `majority`, primary only): remove it from the URI"
    )]
    Contradicts(&'static str),
    #[error(
        "the MongoDB URI names another machine without TLS, or with TLS that checks no certificate: set `tls=true` in \
         it, or, on a network without other users, `store.allow_insecure = true` (`authme`: --mongodb-allow-insecure)"
    )]
    Insecure,
    #[error("the MongoDB URI names a DNS seed list (`mongodb+srv:`), which is not supported: list the hosts in it")]
    SeedList,
    #[error("MongoDB does not answer")]
    Unreachable(#[source] DriverError),
}

const REJECTED_WRITE: &str = "the server rejected a write";
const NOT_ACKNOWLEDGED: &str = "a write was not acknowledged by a majority";
const TOO_LARGE: &str = "the reply is so large that documents may be missing";
const UNREADABLE: &str = "the reply cannot be read";

/// The codes of a server that is not the primary, or is stepping down: `PrimarySteppedDown`, `ShutdownInProgress`,
/// `InterruptedAtShutdown`, `InterruptedDueToReplStateChange`, `NotWritablePrimary`, `NotPrimaryNoSecondaryOk`,
/// `NotPrimaryOrSecondary`, `LegacyNotPrimary`.
const NOT_PRIMARY: [i32; 8] = [189, 91, 11_600, 11_602, 10_107, 13_435, 13_436, 10_058];

/// The reason why a call has no reply or was never made.
#[derive(Clone, Copy)]
pub(crate) enum CallAbandoned {
    TooLong,
    Panicked,
    TooMany,
}

impl CallAbandoned {
    const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "the call took too long",
            Self::Panicked => "the call panicked",
            Self::TooMany => "too many calls are in flight",
        }
    }
}

/// The error of a driver call: its kind and the server's code. The driver's own messages repeat keys and values, so
/// they are dropped.
#[derive(Debug, Clone)]
pub struct DriverError {
    kind: &'static str,
    code: Option<i32>,
}

impl DriverError {
    /// Returns the `writeErrors` of an `update` reply, each with the index of its statement. The other statements were
    /// executed.
    ///
    /// # Errors
    ///
    /// An error that makes the outcome of every statement unknown: a `writeConcernError` (no majority acknowledged the
    /// command), or a not-primary code among the `writeErrors`. Scenario: the server executes statements 0 and 1 and
    /// steps down at 2, which fails with `NotWritablePrimary`. Statements 0 and 1 may be rolled back, so their outcomes
    /// are unknown.
    pub(crate) fn write_errors(reply: &Document) -> Result<Vec<(usize, Self)>, Self> {
        let driver_error = |kind, error: &Document| Self {
            kind,
            code: error.get_i32("code").ok(),
        };
        if let Ok(error) = reply.get_document("writeConcernError") {
            return Err(driver_error(NOT_ACKNOWLEDGED, error));
        }
        let Ok(errors) = reply.get_array("writeErrors") else {
            return Ok(Vec::new());
        };
        let mut rejected = Vec::with_capacity(errors.len());
        for error in errors {
            let error = error.as_document().ok_or_else(Self::unreadable)?;
            let index = error
                .get_i32("index")
                .ok()
                .and_then(|index| usize::try_from(index).ok());
            let error = driver_error(REJECTED_WRITE, error);
            if error.is_not_primary() {
                return Err(error);
            }
            rejected.push((index.ok_or_else(Self::unreadable)?, error));
        }
        Ok(rejected)
    }

    /// Returns whether the server is not, or no longer, the primary. The replica set soon elects a new one.
    pub(crate) fn is_not_primary(&self) -> bool {
        self.code.is_some_and(|code| NOT_PRIMARY.contains(&code))
    }

    /// Returns whether the error of a batched read may concern a single document, so that reading one by one can help:
    /// the server rejected the command, or its reply was too large. A timeout or a step-down concerns the whole
    /// batch.
    pub(crate) fn may_concern_one(&self) -> bool {
        const MAX_TIME_EXPIRED: i32 = 50;
        match self.code {
            Some(code) => code != MAX_TIME_EXPIRED && !self.is_not_primary(),
            None => self.kind == TOO_LARGE,
        }
    }

    pub(crate) fn abandoned(why: CallAbandoned) -> Self {
        Self {
            kind: why.text(),
            code: None,
        }
    }

    /// Creates the error for a reply from which documents may be missing.
    pub(crate) fn too_large() -> Self {
        Self {
            kind: TOO_LARGE,
            code: None,
        }
    }

    /// Creates the error for a write whose outcome can no longer be determined, because other callers have changed the
    /// document since.
    pub(crate) fn outcome_lost() -> Self {
        Self {
            kind: "the document was changed before the outcome was known",
            code: None,
        }
    }

    pub(crate) fn unreadable() -> Self {
        Self {
            kind: UNREADABLE,
            code: None,
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{}, code {code}", self.kind),
            None => f.write_str(self.kind),
        }
    }
}

impl Error for DriverError {}

impl From<&mongodb::error::Error> for DriverError {
    fn from(error: &mongodb::error::Error) -> Self {
        let (kind, code) = match error.kind.as_ref() {
            ErrorKind::Command(command) => ("the server rejected a command", Some(command.code)),
            ErrorKind::Write(WriteFailure::WriteError(write)) => (REJECTED_WRITE, Some(write.code)),
            ErrorKind::Write(WriteFailure::WriteConcernError(write)) => (NOT_ACKNOWLEDGED, Some(write.code)),
            ErrorKind::Authentication { .. } => ("the server rejected the credentials", None),
            ErrorKind::InvalidArgument { .. } => ("an argument is not valid", None),
            ErrorKind::InvalidTlsConfig { .. } => ("the TLS settings are not usable", None),
            ErrorKind::DnsResolve { .. } => ("the name of the server could not be resolved", None),
            ErrorKind::Io(_) => ("the connection broke", None),
            ErrorKind::ConnectionPoolCleared { .. } => ("the connection pool was cleared", None),
            ErrorKind::ServerSelection { .. } => ("no server can be reached", None),
            ErrorKind::InvalidResponse { .. } => (UNREADABLE, None),
            _ => ("the driver failed", None),
        };
        Self { kind, code }
    }
}

/// The error of a call, before it becomes the [`StoreError`] of the port.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum MongodbError {
    /// Nothing was written: the call was a read, or a write that was never sent.
    #[error("a read failed")]
    Read(#[source] DriverError),
    /// The write may or may not have happened.
    #[error("a write failed")]
    Write(#[source] DriverError),
    #[error("stored {what} `{id}` cannot be read")]
    Corrupt {
        what: &'static str,
        id: String,
        cause: Arc<dyn Error + Send + Sync>,
    },
    /// Other callers changed the document during every attempt.
    #[error("too many callers change the same document")]
    Contended,
}

impl MongodbError {
    pub(crate) fn corrupt(
        what: &'static str,
        id: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt {
            what,
            id: id.into(),
            cause: Arc::from(cause.into()),
        }
    }

    pub(crate) fn read(error: &mongodb::error::Error) -> Self {
        match error.kind.as_ref() {
            ErrorKind::Bson(_) | ErrorKind::BsonDeserialization(_) => {
                Self::corrupt("document", "", DriverError::from(error))
            }
            _ => Self::Read(error.into()),
        }
    }

    /// Converts the error of a write. If no server was selected, nothing was sent, so the outcome is known.
    pub(crate) fn write(error: &mongodb::error::Error) -> Self {
        match error.kind.as_ref() {
            ErrorKind::ServerSelection { .. } => Self::Read(error.into()),
            _ => Self::Write(error.into()),
        }
    }
}

/// Returns whether an insert failed because its `_id` already exists.
pub(crate) fn is_duplicate(error: &mongodb::error::Error) -> bool {
    const DUPLICATE_KEY: i32 = 11_000;
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        _ => false,
    }
}

impl From<MongodbError> for StoreError {
    fn from(error: MongodbError) -> Self {
        match error {
            MongodbError::Corrupt { what, id, cause } => Self::Corrupt {
                what,
                id,
                cause: Box::new(cause),
            },
            MongodbError::Write(_) => Self::OutcomeUnknown(Box::new(error)),
            MongodbError::Read(_) | MongodbError::Contended => Self::Unavailable(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn write_errors_name_the_rejected_statements() {
        let write_errors = |reply| {
            let text = |(index, error): (usize, DriverError)| (index, error.to_string());
            let rejected = DriverError::write_errors(&reply);
            rejected.map(|rejected| rejected.into_iter().map(text).collect::<Vec<_>>())
        };
        assert_eq!(write_errors(doc! { "ok": 1, "n": 2 }).unwrap(), []);
        let error = |index: i32, code: i32| doc! { "index": index, "code": code, "errmsg": "ada" };
        let rejected = doc! { "ok": 1, "n": 1, "writeErrors": [error(0, 121), error(2, 8)] };
        let expected =
            [(0, 121), (2, 8)].map(|(index, code)| (index, format!("the server rejected a write, code {code}")));
        assert_eq!(write_errors(rejected).unwrap(), expected);
    }

    #[test]
    fn unacknowledged_command_fails_for_all_statements() {
        let error = |reply| DriverError::write_errors(&reply).unwrap_err();
        let late = error(doc! { "ok": 1, "n": 2, "writeConcernError": { "code": 64, "errmsg": "ada" } });
        assert_eq!(late.to_string(), "a write was not acknowledged by a majority, code 64");
        assert!(!late.is_not_primary());
        for code in NOT_PRIMARY {
            let replies = [
                doc! { "ok": 1, "n": 2, "writeConcernError": { "code": code } },
                doc! { "ok": 1, "n": 1, "writeErrors": [{ "index": 0, "code": 121 }, { "index": 1, "code": code }] },
            ];
            for reply in replies {
                assert!(error(reply.clone()).is_not_primary(), "{reply}");
            }
        }
    }

    #[test]
    fn rejected_or_truncated_batches_may_concern_one_read() {
        let coded = |code| DriverError {
            kind: REJECTED_WRITE,
            code: Some(code),
        };
        assert!(coded(133).may_concern_one());
        assert!(DriverError::too_large().may_concern_one());
        for error in [coded(50), coded(189), DriverError::abandoned(CallAbandoned::TooLong)] {
            assert!(!error.may_concern_one(), "{error}");
        }
    }

    #[test]
    fn errors_reveal_nothing_of_a_broken_uri() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let uri = "mongodb://ada:hunter2@[/?w=hunter2";
        let error = runtime.block_on(async { mongodb::options::ClientOptions::parse(uri).await.unwrap_err() });
        let error = OpenError::Uri(DriverError::from(&error));
        assert!(!format!("{error} {error:?} {}", error.source().unwrap()).contains("hunter2"));
    }
}
