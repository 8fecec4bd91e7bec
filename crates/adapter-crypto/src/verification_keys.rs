use domain::time::Timestamp;
use jsonwebtoken::DecodingKey;

/// A public key, ready to verify with.
#[derive(Clone)]
pub struct VerificationKey {
    pub(crate) key: DecodingKey,
    pub(crate) retired_at: Option<Timestamp>,
}

impl VerificationKey {
    /// Returns whether the key was still in use at `iat`, in seconds since 1970. Whoever has a copy of a retired key could
    /// sign with it for ever; nobody else does.
    pub(crate) fn signs_at(&self, iat: i64) -> bool {
        let issued_at = Timestamp::from_second(iat);
        self.retired_at
            .is_none_or(|retired| issued_at.is_ok_and(|issued_at| issued_at < retired))
    }
}

/// The keys that verify access tokens, as they are known now. Synchronous: nothing is fetched.
pub trait VerificationKeys: Send + Sync {
    /// Differs from that of every key set before it in this process. `None` while there is no key set to verify with:
    /// then nothing can be said of any token.
    fn version(&self) -> Option<u64>;

    /// The key of this id, unless no token signed with it can be good at `now`.
    fn verification_key(&self, kid: &str, now: Timestamp) -> Option<VerificationKey>;
}
