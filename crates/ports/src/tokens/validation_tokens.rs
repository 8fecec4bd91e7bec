use async_trait::async_trait;
use domain::ids::ClientId;
use domain::tokens::{Consumption, ValidationToken, ValidationTokenHash};

use crate::{Aggregate, StoreError};

/// Validation tokens.
pub const VALIDATION_TOKENS: Aggregate = Aggregate {
    name: "validation_tokens",
    has_outbox: false,
};

/// The store of validation tokens.
///
/// An unknown or purged token is `None`. A token is consumed at most once, even by concurrent calls. A consumed token
/// stays, so that its use can be repeated within the grace time; it is purged like an expired one.
#[async_trait]
pub trait ValidationTokens: Send + Sync {
    /// Inserts a new token and returns whether this attempt inserted it. The hash is computed from random bits, so a
    /// token that exists already was inserted by an earlier attempt of the same call, whose answer was lost: a repeated
    /// call changes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn issue(&self, token: &ValidationToken) -> Result<bool, StoreError>;

    /// Returns the token, unused, consumed or expired, for [`judge`](ValidationToken::judge), and changes nothing. Right
    /// after a failover, the result may be behind an acknowledged write.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError>;

    /// Returns what [`find`](Self::find) returns, linearizably: it sees every write that was acknowledged to any
    /// process before the read began.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never `None` instead.
    async fn read_linearizable(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError>;

    /// Consumes the token if `client` is its target, it is unused, and it expires after `consumption.at`, by one
    /// conditional update, and returns whether this call, and no other, did. The update stores the consumption and
    /// moves the expiry to its time. A repeated call returns `false`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; after `OutcomeUnknown` the token may be consumed.
    async fn consume(
        &self,
        hash: &ValidationTokenHash,
        client: &ClientId,
        consumption: Consumption,
    ) -> Result<bool, StoreError>;
}

/// Hashes validation tokens. A plain SHA-256 suffices, because a token has 256 random bits. Synchronous.
pub trait ValidationTokenHasher: Send + Sync {
    /// Returns the hash under which `token` is stored, for any text that a caller presents.
    fn hash(&self, token: &str) -> ValidationTokenHash;
}
