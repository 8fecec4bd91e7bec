use std::error::Error;

type Cause = Box<dyn Error + Send + Sync>;

/// The reason why a store gives no answer. Absence is not an error: it is returned as a value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is unreachable or overloaded. Nothing was written.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// The write may or may not have happened. The adapter does not repeat it blindly. When the caller repeats its
    /// request, the use case decides by what is stored then (`docs/protocols.md` "Store outages").
    #[error("the outcome of the write is not known")]
    OutcomeUnknown(#[source] Cause),
    /// A stored record contradicts the model, so a repetition will not help.
    #[error("stored {what} `{id}` cannot be read")]
    Corrupt {
        /// The kind of record.
        what: &'static str,
        /// The record's key.
        id: String,
        /// The error of the decoder.
        #[source]
        cause: Cause,
    },
}
