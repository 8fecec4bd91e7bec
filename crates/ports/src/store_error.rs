use std::error::Error;

type Cause = Box<dyn Error + Send + Sync>;

/// Why a store could not answer. "Not found" is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is away or too busy. Nothing was written.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// The write may or may not have happened. It is never retried blindly: whoever asks again finds out.
    #[error("the outcome of the write is not known")]
    OutcomeUnknown(#[source] Cause),
    /// What is stored contradicts the model.
    #[error("stored {what} `{id}` cannot be read")]
    Corrupt {
        what: &'static str,
        id: String,
        #[source]
        cause: Cause,
    },
}
