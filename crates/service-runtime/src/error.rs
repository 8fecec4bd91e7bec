use std::error::Error;
use std::fmt::Write as _;

/// Why a process does not start or a command was not carried out, in words for a person: what is wrong and, where it
/// helps, what to do.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{0}")]
    Refused(String),
    #[error("{doing}")]
    Failed {
        doing: &'static str,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl CommandError {
    pub fn msg(words: impl Into<String>) -> Self {
        Self::Refused(words.into())
    }

    /// What was being done when `cause` got in the way.
    pub fn context<E: Into<Box<dyn Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self::Failed {
            doing,
            cause: cause.into(),
        }
    }

    /// The refusal and everything behind it, on one line.
    pub fn report(&self) -> String {
        let mut words = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let _ = write!(words, ": {cause}");
            source = cause.source();
        }
        words
    }
}

impl From<ports::StoreError> for CommandError {
    fn from(failure: ports::StoreError) -> Self {
        Self::context("the store did not answer")(failure)
    }
}
