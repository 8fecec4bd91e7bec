use domain::contact::ContactValue;
use domain::factors::{ChallengeId, CodeDigest, SendQuotaKey};

/// Keyed digests of what the store must not show (HMAC-SHA-256 under a server key that is not in the store).
/// Synchronous; the same input has the same digest everywhere.
pub trait CodeDigester: Send + Sync {
    /// Of a code under its challenge. `code` is what a caller wrote, whatever that is.
    fn digest(&self, challenge: &ChallengeId, code: &str) -> CodeDigest;

    /// Names the destination of a code without showing it; two spellings of one contact have one name.
    fn destination(&self, contact: &ContactValue) -> SendQuotaKey;
}
