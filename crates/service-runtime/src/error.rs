use std::error::Error;
use std::fmt::Write as _;

/// The error of a process that does not start, or of a command that fails. It is written for an operator: it states the
/// problem and, where possible, how to solve it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{0}")]
    Message(String),
    #[error("{doing}")]
    Failed {
        doing: &'static str,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl CommandError {
    pub fn msg(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// Returns a function for `map_err` that puts the description `doing` of the failed step before the error that caused it.
    pub fn context<E: Into<Box<dyn Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self::Failed {
            doing,
            cause: cause.into(),
        }
    }

    /// Formats the error and its sources on one line, outermost first.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let _ = write!(report, ": {cause}");
            source = cause.source();
        }
        report
    }
}

impl From<ports::StoreError> for CommandError {
    fn from(error: ports::StoreError) -> Self {
        Self::context("the store failed")(error)
    }
}
