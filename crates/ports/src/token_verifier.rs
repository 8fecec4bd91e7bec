use std::sync::Arc;

use async_trait::async_trait;
use domain::caller::VerifiedToken;
use domain::time::Timestamp;

/// The reason why a bearer token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenVerificationError {
    /// The token is malformed or expired, its signature is wrong, or it has another issuer, audience or type.
    #[error("the bearer token is not valid")]
    Invalid,
    /// The `kid` is not in the key set that this process has; a newer set may have it.
    #[error("the bearer token's key is not known")]
    UnknownKey,
    /// No key set was fetched yet, or the last one is too old. The token may be valid: 503, not 401.
    #[error("there is no key set to verify tokens with")]
    KeysUnavailable,
}

/// Verifies access tokens (RFC 9068 section 4, RFC 8725). Synchronous: computation only.
pub trait TokenVerifier: Send + Sync {
    /// Verifies signature, times, issuer, audience and type, and returns the token's claims. It does not check whether
    /// the token is still active.
    ///
    /// # Errors
    ///
    /// Returns [`TokenVerificationError`] when the token is not valid at `now` or cannot be verified.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, TokenVerificationError>;
}

/// The source of verification keys, local or remote.
#[async_trait]
pub trait KeySetSource: Send + Sync {
    /// Reads the key set from its source and returns whether it has changed. Calls in quick succession share one read.
    async fn refresh(&self) -> bool;
}
