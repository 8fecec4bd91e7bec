use std::error::Error;
use std::fmt;
use std::sync::Arc;

use mongodb::bson::Document;
use mongodb::error::{ErrorKind, WriteFailure};
use ports::StoreError;

use crate::call_runner::CallAbandoned;

/// Why the store could not be opened. Nothing of the URI is in it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the MongoDB URI cannot be read")]
    Uri(#[source] DriverError),
    #[error(
        "the MongoDB URI sets `{0}`: AuthMe writes to a majority, journaled, and reads what a majority has from the \
         primary; take it out of the URI"
    )]
    Contradicts(&'static str),
    #[error(
        "the MongoDB URI names another machine without TLS, or with TLS that checks no certificate: say `tls=true` in it, \
         or set `store.allow_insecure = true` (of `authme`: --mongodb-allow-insecure) where nobody else is on the network"
    )]
    Insecure,
    #[error("the MongoDB URI names a seed list in DNS (`mongodb+srv:`), which is not supported: name the hosts")]
    SeedList,
    #[error("MongoDB does not answer")]
    Away(#[source] DriverError),
    #[error("the index `{name}` could not be made")]
    Index {
        name: String,
        #[source]
        source: DriverError,
    },
}

const REFUSED_WRITE: &str = "the server refused a write";
const NOT_ACKNOWLEDGED: &str = "a write was not acknowledged by a majority";
const TOO_LARGE: &str = "the answer is so large that some of it may be missing";
const UNREADABLE: &str = "the answer cannot be read";

/// What a server answers that is not the primary, or is just about not to be: `PrimarySteppedDown`, `ShutdownInProgress`,
/// `InterruptedAtShutdown`, `InterruptedDueToReplStateChange`, `NotWritablePrimary`, `NotPrimaryNoSecondaryOk`,
/// `NotPrimaryOrSecondary`, `LegacyNotPrimary`.
const NOT_PRIMARY: [i32; 8] = [189, 91, 11_600, 11_602, 10_107, 13_435, 13_436, 10_058];

/// What the driver says of a failed call, without what was in it: its own words repeat keys and values.
#[derive(Debug, Clone)]
pub struct DriverError {
    kind: &'static str,
    code: Option<i32>,
}

impl DriverError {
    /// What the server says of the statements of a command that it refused, each by its place in the command. The others
    /// were carried out.
    ///
    /// # Errors
    ///
    /// What makes the outcome of every statement unknown: no majority has acknowledged the command, or the server stopped
    /// being the primary in the midst of it.
    pub(crate) fn of_statements(answer: &Document) -> Result<Vec<(usize, Self)>, Self> {
        let failure = |kind, error: &Document| Self {
            kind,
            code: error.get_i32("code").ok(),
        };
        if let Ok(error) = answer.get_document("writeConcernError") {
            return Err(failure(NOT_ACKNOWLEDGED, error));
        }
        let Ok(errors) = answer.get_array("writeErrors") else {
            return Ok(Vec::new());
        };
        let mut refused = Vec::with_capacity(errors.len());
        for error in errors {
            let error = error.as_document().ok_or_else(Self::unreadable)?;
            let place = error
                .get_i32("index")
                .ok()
                .and_then(|place| usize::try_from(place).ok());
            let failure = failure(REFUSED_WRITE, error);
            if failure.is_not_primary() {
                return Err(failure);
            }
            refused.push((place.ok_or_else(Self::unreadable)?, failure));
        }
        Ok(refused)
    }

    /// Whether a server said so because it is not the primary (any more): another will soon be.
    pub(crate) fn is_not_primary(&self) -> bool {
        self.code.is_some_and(|code| NOT_PRIMARY.contains(&code))
    }

    /// Whether what was asked together may be answered one by one: the server refused it, or said so much that some of it
    /// may be missing. It was not late, and is not about to be replaced.
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

    /// Documents that may have been left out of the answer.
    pub(crate) fn too_large() -> Self {
        Self {
            kind: TOO_LARGE,
            code: None,
        }
    }

    /// Nobody can say any more what a write came to.
    pub(crate) fn overtaken() -> Self {
        Self {
            kind: "others went on before the outcome was known",
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
            ErrorKind::Command(command) => ("the server refused a command", Some(command.code)),
            ErrorKind::Write(WriteFailure::WriteError(write)) => (REFUSED_WRITE, Some(write.code)),
            ErrorKind::Write(WriteFailure::WriteConcernError(write)) => (NOT_ACKNOWLEDGED, Some(write.code)),
            ErrorKind::Authentication { .. } => ("the server refused the credentials", None),
            ErrorKind::InvalidArgument { .. } => ("an argument is not valid", None),
            ErrorKind::InvalidTlsConfig { .. } => ("the TLS settings are not usable", None),
            ErrorKind::DnsResolve { .. } => ("the name of the server could not be resolved", None),
            ErrorKind::Io(_) => ("the connection broke", None),
            ErrorKind::ConnectionPoolCleared { .. } => ("the connection was given up", None),
            ErrorKind::ServerSelection { .. } => ("no server can be reached", None),
            ErrorKind::InvalidResponse { .. } => (UNREADABLE, None),
            _ => ("the driver failed", None),
        };
        Self { kind, code }
    }
}

/// What can go wrong inside a call, before it is said in the words of the port.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum MongodbError {
    /// Nothing was written.
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
    /// Others were faster again and again.
    #[error("too many callers change the same thing")]
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

    /// A write that never left this process did not happen.
    pub(crate) fn write(error: &mongodb::error::Error) -> Self {
        match error.kind.as_ref() {
            ErrorKind::ServerSelection { .. } => Self::Read(error.into()),
            _ => Self::Write(error.into()),
        }
    }
}

/// Whether a document with this `_id` was there already.
pub(crate) fn is_duplicate(error: &mongodb::error::Error) -> bool {
    const DUPLICATE_KEY: i32 = 11_000;
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        _ => false,
    }
}

impl From<MongodbError> for StoreError {
    fn from(fault: MongodbError) -> Self {
        match fault {
            MongodbError::Corrupt { what, id, cause } => Self::Corrupt {
                what,
                id,
                cause: Box::new(cause),
            },
            MongodbError::Write(_) => Self::OutcomeUnknown(Box::new(fault)),
            MongodbError::Read(_) | MongodbError::Contended => Self::Unavailable(Box::new(fault)),
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn a_statement_that_is_refused_fails_alone() {
        let of_statements = |answer| {
            let told = |(place, failure): (usize, DriverError)| (place, failure.to_string());
            let refused = DriverError::of_statements(&answer);
            refused.map(|refused| refused.into_iter().map(told).collect::<Vec<_>>())
        };
        assert_eq!(of_statements(doc! { "ok": 1, "n": 2 }).unwrap(), []);
        let error = |place: i32, code: i32| doc! { "index": place, "code": code, "errmsg": "ada" };
        let refused = doc! { "ok": 1, "n": 1, "writeErrors": [error(0, 121), error(2, 8)] };
        let expected =
            [(0, 121), (2, 8)].map(|(place, code)| (place, format!("the server refused a write, code {code}")));
        assert_eq!(of_statements(refused).unwrap(), expected);
    }

    #[test]
    fn what_no_majority_acknowledged_fails_for_all() {
        let failure = |answer| DriverError::of_statements(&answer).unwrap_err();
        let late = failure(doc! { "ok": 1, "n": 2, "writeConcernError": { "code": 64, "errmsg": "ada" } });
        assert_eq!(late.to_string(), "a write was not acknowledged by a majority, code 64");
        assert!(!late.is_not_primary());
        for code in NOT_PRIMARY {
            let answers = [
                doc! { "ok": 1, "n": 2, "writeConcernError": { "code": code } },
                doc! { "ok": 1, "n": 1, "writeErrors": [{ "index": 0, "code": 121 }, { "index": 1, "code": code }] },
            ];
            for answer in answers {
                assert!(failure(answer.clone()).is_not_primary(), "{answer}");
            }
        }
    }

    #[test]
    fn what_a_server_refuses_to_do_together_may_concern_one_of_them() {
        let coded = |code| DriverError {
            kind: REFUSED_WRITE,
            code: Some(code),
        };
        assert!(coded(133).may_concern_one());
        assert!(DriverError::too_large().may_concern_one());
        for failure in [coded(50), coded(189), DriverError::abandoned(CallAbandoned::TooLong)] {
            assert!(!failure.may_concern_one(), "{failure}");
        }
    }

    #[test]
    fn nothing_of_a_broken_uri_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let uri = "mongodb://ada:hunter2@[/?w=hunter2";
        let error = runtime.block_on(async { mongodb::options::ClientOptions::parse(uri).await.unwrap_err() });
        let failure = OpenError::Uri(DriverError::from(&error));
        assert!(!format!("{failure} {failure:?} {}", failure.source().unwrap()).contains("hunter2"));
    }
}
