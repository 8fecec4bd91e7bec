use ports::StoreError;

use crate::UseCaseError;

/// The reason why sessions were neither listed nor ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("the user has no such session")]
    SessionNotFound,
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
