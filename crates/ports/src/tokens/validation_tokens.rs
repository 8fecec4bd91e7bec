use async_trait::async_trait;
use domain::ids::ClientId;
use domain::time::Timestamp;
use domain::tokens::{ValidationToken, ValidationTokenHash};

use crate::StoreError;

/// The hand-offs under way.
///
/// An unknown, expired or used token is `None`. A token is consumed at most once, whoever asks at the same time.
#[async_trait]
pub trait ValidationTokens: Send + Sync {
    /// Inserts a new token; whether this call did. One that is there already came of an earlier attempt of the same call,
    /// whose answer was lost: a repeated call changes nothing.
    async fn issue(&self, token: &ValidationToken) -> Result<bool, StoreError>;

    /// The token while it may still be consumed; nothing changes.
    async fn find(&self, hash: &ValidationTokenHash, now: Timestamp) -> Result<Option<ValidationToken>, StoreError>;

    /// As [`find`](Self::find), and sees every write that was acknowledged, anywhere, before the look began. Linearizable.
    async fn read_linearizable(
        &self,
        hash: &ValidationTokenHash,
        now: Timestamp,
    ) -> Result<Option<ValidationToken>, StoreError>;

    /// Atomic: whether this call, and no other, used the token that was made for `client` and ends after `now`.
    async fn consume(&self, hash: &ValidationTokenHash, client: &ClientId, now: Timestamp) -> Result<bool, StoreError>;
}

/// The hash under which a validation token is stored (SHA-256). Synchronous.
pub trait ValidationTokenHasher: Send + Sync {
    fn hash(&self, token: &str) -> ValidationTokenHash;
}
