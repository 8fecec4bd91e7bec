use async_trait::async_trait;
use domain::factors::{SendQuota, SendQuotaKey};
use domain::time::Timestamp;

use crate::{Aggregate, StoreError};

/// The decision on one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaDecision {
    /// The quota has room. `take` has counted the message.
    Allowed,
    /// The quota is used up; nothing was counted.
    Exceeded {
        /// The end of the window, at which there is room again.
        retry_at: Timestamp,
    },
}

/// The windows in which sent codes are counted.
pub const SEND_LIMITS: Aggregate = Aggregate {
    name: "send_limits",
    has_outbox: false,
};

/// The store of send quotas: the number of codes that were sent to a destination, or for a user, in the current window
/// (`docs/protocols.md` "Send quotas").
///
/// An unknown key has its whole quota. Each `take` is one atomic write with its whole condition in its arguments: it
/// raises the count if there is room, begins a window if there is none, and replaces a window that has ended. However
/// many calls run in parallel, at most `quota.limit` of them are `Allowed` in a window. A repeated `take` counts again.
#[async_trait]
pub trait SendQuotas: Send + Sync {
    /// Returns the decision that `take` would make now. It counts nothing and reserves nothing: another caller may take
    /// the last message first.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn peek(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError>;

    /// Counts one message if the quota has room. The count is never reduced, even if the delivery fails, because the
    /// message may have been sent.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; after `OutcomeUnknown` the message may be counted.
    async fn take(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError>;
}
