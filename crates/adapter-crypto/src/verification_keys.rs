use domain::time::Timestamp;
use jsonwebtoken::DecodingKey;

/// A public key, ready to verify with.
#[derive(Clone)]
pub struct VerificationKey(pub(crate) DecodingKey);

/// The keys that verify access tokens, as they are known now. Synchronous: nothing is fetched.
pub trait VerificationKeys: Send + Sync {
    /// Differs from that of every key set before it in this process.
    fn version(&self) -> u64;

    /// The key of this id, unless no token signed with it can be good at `now`.
    fn verification_key(&self, kid: &str, now: Timestamp) -> Option<VerificationKey>;
}
