use async_trait::async_trait;
use domain::sessions::{UsedOnceKey, UsedOncePurpose};
use domain::time::Timestamp;

use crate::{Aggregate, StoreError};

/// Values that were used and may not be used again.
pub const USED_ONCE: Aggregate = Aggregate {
    name: "used_once",
    has_outbox: false,
};

/// The store of values that may be used once, such as the ids of assertions. It detects a replay in every process.
#[async_trait]
pub trait UsedOnce: Send + Sync {
    /// Stores the use of a value, by one insert, and returns whether this call, and no other, did: `false` if the value
    /// was used before. Of concurrent calls one returns `true`. A repeated call returns `false`.
    ///
    /// The use is purged some time after `purge_at`, which must not be before the end of the value's validity. Until it
    /// is purged the value stays used.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; after `OutcomeUnknown` the value may be used.
    async fn mark_used(&self, key: &UsedOnceKey, purge_at: Timestamp) -> Result<bool, StoreError>;
}

/// Makes the keys of values that may be used once. A plain SHA-256 suffices: the hash only gives keys of equal length,
/// it keeps no secret. Synchronous.
pub trait UsedOnceHasher: Send + Sync {
    /// Returns the key of a value that consists of these parts. Other parts have another key, even if they make the
    /// same text.
    fn key(&self, purpose: UsedOncePurpose, parts: &[&str]) -> UsedOnceKey;
}
