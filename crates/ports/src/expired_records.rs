use async_trait::async_trait;
use domain::time::Timestamp;

use crate::StoreError;

/// Removes expired records. No check depends on it: every query and rule compares times itself (`docs/protocols.md`
/// "Expiry and purge").
#[async_trait]
pub trait ExpiredRecords: Send + Sync {
    /// Removes up to `limit` records that had expired at `before`, and returns their number: validation tokens after
    /// their expiry, send quotas after their window, and refresh token families after their absolute expiry, but only
    /// with an empty outbox. A repeated call removes the next ones. A result below `limit` means that none is left,
    /// unless another purge ran at the same time.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; some records may have been removed.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;
}
