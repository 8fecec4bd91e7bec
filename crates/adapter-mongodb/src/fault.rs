use std::error::Error;
use std::fmt;
use std::sync::Arc;

use mongodb::bson::{Bson, Document};
use mongodb::error::{ErrorKind, WriteFailure};
use ports::StoreFailure;

/// Why the store could not be opened. Nothing of the URI is in it.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    #[error("the MongoDB URI cannot be read")]
    Uri(#[source] DriverFailure),
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
    Away(#[source] DriverFailure),
    #[error("the index `{name}` could not be made")]
    Index {
        name: String,
        #[source]
        source: DriverFailure,
    },
}

const REFUSED_WRITE: &str = "the server refused a write";
const NOT_ACKNOWLEDGED: &str = "a write was not acknowledged by a majority";
const UNREADABLE: &str = "the answer cannot be read";

/// What the driver says of a failed call, without what was in it: its own words repeat keys and values.
#[derive(Debug, Clone)]
pub struct DriverFailure {
    kind: &'static str,
    code: Option<i32>,
}

impl DriverFailure {
    /// What the server says when a command was carried out in part, or not acknowledged by a majority.
    pub(crate) fn in_answer(answer: &Document) -> Option<Self> {
        let code = |error: &Document| error.get_i32("code").ok();
        if let Ok(errors) = answer.get_array("writeErrors") {
            let first = errors.first().and_then(Bson::as_document);
            return Some(Self {
                kind: REFUSED_WRITE,
                code: first.and_then(code),
            });
        }
        let error = answer.get_document("writeConcernError").ok()?;
        Some(Self {
            kind: NOT_ACKNOWLEDGED,
            code: code(error),
        })
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

impl fmt::Display for DriverFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{}, code {code}", self.kind),
            None => f.write_str(self.kind),
        }
    }
}

impl Error for DriverFailure {}

impl From<&mongodb::error::Error> for DriverFailure {
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
pub(crate) enum Fault {
    /// Nothing was written.
    #[error("a read failed")]
    Read(#[source] DriverFailure),
    /// The write may or may not have happened.
    #[error("a write failed")]
    Write(#[source] DriverFailure),
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

impl Fault {
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
                Self::corrupt("document", "", DriverFailure::from(error))
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

impl From<Fault> for StoreFailure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Corrupt { what, id, cause } => Self::Corrupt {
                what,
                id,
                cause: Box::new(cause),
            },
            Fault::Write(_) => Self::OutcomeUnknown(Box::new(fault)),
            Fault::Read(_) | Fault::Contended => Self::Unavailable(Box::new(fault)),
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn a_command_that_failed_in_part_tells_its_code() {
        let told = |answer| DriverFailure::in_answer(&answer).map(|failure| failure.to_string());
        assert_eq!(told(doc! { "ok": 1, "n": 2 }), None);
        let in_part = doc! { "ok": 1, "n": 1, "writeErrors": [{ "index": 1, "code": 11_600, "errmsg": "ada" }] };
        assert_eq!(told(in_part).unwrap(), "the server refused a write, code 11600");
        let late = doc! { "ok": 1, "n": 2, "writeConcernError": { "code": 64, "errmsg": "ada" } };
        assert_eq!(
            told(late).unwrap(),
            "a write was not acknowledged by a majority, code 64"
        );
    }

    #[test]
    fn nothing_of_a_broken_uri_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let uri = "mongodb://ada:hunter2@[/?w=hunter2";
        let error = runtime.block_on(async { mongodb::options::ClientOptions::parse(uri).await.unwrap_err() });
        let failure = OpenFailure::Uri(DriverFailure::from(&error));
        assert!(!format!("{failure} {failure:?} {}", failure.source().unwrap()).contains("hunter2"));
    }
}
