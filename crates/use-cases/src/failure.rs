use ports::StoreFailure;
use ports::tokens::SigningFailure;

/// Why a use case could not be carried out, though nothing was wrong with what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Store(#[from] StoreFailure),
    #[error("too many events of this aggregate wait to be published")]
    OutboxFull,
    #[error("others kept changing the same aggregate")]
    Contended,
    #[error(transparent)]
    Signing(#[from] SigningFailure),
}
