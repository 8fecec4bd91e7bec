use ports::StoreError;
use ports::tokens::SigningError;

/// Why a use case could not be carried out, though nothing was wrong with what was asked.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("too many events of this aggregate wait to be published")]
    OutboxFull,
    #[error("others kept changing the same aggregate")]
    Contended,
    #[error(transparent)]
    Signing(#[from] SigningError),
}
