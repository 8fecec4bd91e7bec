use async_trait::async_trait;
use domain::factors::{SendQuota, SendQuotaKey};
use domain::time::Timestamp;

use crate::StoreError;

/// Whether one more may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaDecision {
    Allowed,
    /// Nothing was counted; there is room again at `until`.
    Exceeded {
        retry_at: Timestamp,
    },
}

/// How many codes went to a destination, or to a user, in the window that runs.
///
/// A key that was never charged has a window that never began. Each charge is one atomic write with its whole condition
/// in its arguments: a window begins with its first charge and rolls over in the same write. Never more than
/// `limit.most` calls are `Charged` in a window, however many come at once. A repeated call counts again.
#[async_trait]
pub trait SendQuotas: Send + Sync {
    /// What a charge would say now. Counts nothing and begins no window, so it promises nothing either: others may be
    /// charged before whoever looked.
    async fn peek(&self, key: &SendQuotaKey, limit: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError>;

    async fn take(&self, key: &SendQuotaKey, limit: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError>;
}
