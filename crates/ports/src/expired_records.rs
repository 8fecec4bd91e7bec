use async_trait::async_trait;
use domain::time::Timestamp;

use crate::StoreError;

/// Removes what expired. Expiry itself never depends on it: every query that matters compares times.
#[async_trait]
pub trait ExpiredRecords: Send + Sync {
    /// Removes up to `limit` validation tokens, refresh families and windows of sending that were past their end at
    /// `before`, never a family with events still to be sent; how many. A repeated call goes on.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;
}
