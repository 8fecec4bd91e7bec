use domain::contact::ContactValue;
use domain::factors::{ChallengeId, CodeDigest, SendQuotaKey};

/// Computes keyed digests of codes and contacts, so that a copy of the store reveals neither: HMAC-SHA-256 under a key
/// that is not in the store. Synchronous. The same input has the same digest in every process.
pub trait CodeDigester: Send + Sync {
    /// Returns the digest of a code, bound to its challenge. `code` is any text that a caller sent.
    fn digest(&self, challenge: &ChallengeId, code: &str) -> CodeDigest;

    /// Returns the key of a contact. All spellings of one contact have the same key.
    fn destination(&self, contact: &ContactValue) -> SendQuotaKey;

    /// Returns the digest of the mailbox or number that receives the messages to a contact. Addresses that differ in a
    /// `+tag` alone have the same one.
    fn destination_digest(&self, contact: &ContactValue) -> [u8; 32];
}
