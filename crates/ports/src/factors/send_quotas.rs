use async_trait::async_trait;
use domain::factors::{SendQuota, SendQuotaKey};
use domain::time::Timestamp;

use crate::StoreError;

/// The decision on one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaDecision {
    /// There is room; a `take` has counted the message.
    Allowed,
    /// The quota is used up; nothing was counted.
    Exceeded {
        /// The end of the window, at which there is room again.
        retry_at: Timestamp,
    },
}

/// The store of send quotas: the number of codes that were sent to a destination, or for a user, in the current window
/// (`docs/protocols.md` "Send quotas").
///
/// An unknown key has its whole quota. Each `take` is one atomic write with its whole condition in its arguments: it
/// raises the count if there is room, begins a window if there is none, and replaces an ended one. However many calls
/// run at once, at most `limit.most` of them are `Allowed` in a window. A repeated `take` counts again.
#[async_trait]
pub trait SendQuotas: Send + Sync {
    /// Returns the decision that a `take` would make at present. It counts nothing and reserves nothing: another caller
    /// may take the last message before this one does.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn peek(&self, key: &SendQuotaKey, limit: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError>;

    /// Counts one message if the quota has room. What was taken is never given back, also when the delivery fails: the
    /// message may have gone out.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; after `OutcomeUnknown` the message may be counted.
    async fn take(&self, key: &SendQuotaKey, limit: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError>;
}
