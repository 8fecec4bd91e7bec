use std::time::Duration;

use ports::StoreError;

use crate::UseCaseError;

/// The reason why nothing was minted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("clientId or userId does not agree with the token")]
    Contradiction,
    #[error("the client name or secret is not right")]
    BadCredentials,
    #[error("the caller may not renew for this client or user")]
    NotPermitted,
    #[error("the user is not known")]
    UserNotFound,
    #[error("the token is unknown, expired, used or revoked")]
    TokenNotValid,
    #[error("the assertion was used before")]
    AssertionUsed,
    #[error("the assertion has expired")]
    AssertionExpired,
    #[error("notOnOrAfter must be at most 24 hours ahead")]
    AssertionEndsTooLate,
    #[error("the credential is locked")]
    CredentialLocked,
    #[error("the client is unknown, disabled, or not set up for this flow")]
    ClientNotUsable,
    #[error("the business is not linked to the user")]
    BusinessNotLinked,
    #[error("a group is not known, or the caller may not assert it")]
    GroupNotKnown,
    /// The client started as many sessions of the user as it may in a minute. `wait` is the time until it may start
    /// another.
    #[error("too many new sessions")]
    TooManySessions { wait: Duration },
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
