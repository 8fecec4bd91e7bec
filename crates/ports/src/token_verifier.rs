use std::sync::Arc;

use async_trait::async_trait;
use domain::caller::VerifiedToken;
use domain::time::Timestamp;

/// Why a bearer token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenVerificationError {
    /// Malformed, expired, badly signed, of another issuer, audience or type.
    #[error("the bearer token is not valid")]
    Invalid,
    /// Signed with a key that is not known here, perhaps not yet.
    #[error("the bearer token's key is not known")]
    UnknownKey,
    /// There is no key set to verify with, or none was fetched for too long: nothing is said of the token.
    #[error("there is no key set to verify tokens with")]
    KeysUnavailable,
}

/// Verifies access tokens (RFC 9068 section 4, RFC 8725). Synchronous: computation only.
pub trait TokenVerifier: Send + Sync {
    /// The token and all it says, when it is good at `now`.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, TokenVerificationError>;
}

/// Where verification keys come from.
#[async_trait]
pub trait KeySetSource: Send + Sync {
    /// Looks once whether there are newer keys; whether there were. Calls in quick succession look once.
    async fn refresh(&self) -> bool;
}
