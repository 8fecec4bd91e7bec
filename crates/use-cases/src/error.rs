use ports::StoreError;
use ports::sessions::SigningError;

/// The reason why a valid request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outbox has no room for the events ([`MAX_PENDING_EVENTS`](ports::MAX_PENDING_EVENTS)). Nothing was written.
    #[error("too many events of this aggregate wait to be published")]
    OutboxFull,
    /// Every attempt to save conflicted with a change by another caller. Nothing was written.
    #[error("other callers kept changing the same aggregate")]
    Contended,
    #[error(transparent)]
    Signing(#[from] SigningError),
}
