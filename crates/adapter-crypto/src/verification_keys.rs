use domain::time::Timestamp;
use jsonwebtoken::DecodingKey;

/// A public key in the form that verification needs.
#[derive(Clone)]
pub struct VerificationKey {
    pub(crate) key: DecodingKey,
    pub(crate) retired_at: Option<Timestamp>,
}

impl VerificationKey {
    /// Returns whether the key was not yet retired at `iat`, in seconds since 1970. A token with the `iat` of the retirement or a later one was
    /// signed by a thief with a copy of the key, because AuthMe signs nothing with a retired key.
    pub(crate) fn was_in_use_at(&self, iat: i64) -> bool {
        let issued_at = Timestamp::from_second(iat);
        self.retired_at
            .is_none_or(|retired| issued_at.is_ok_and(|issued_at| issued_at < retired))
    }
}

/// The keys that verify access tokens, as known at the time of the call. The methods are synchronous and neither read
/// nor fetch anything.
pub trait VerificationKeys: Send + Sync {
    /// Returns a number that is unique among the key sets of this process. Returns `None` while there is no usable key
    /// set: tokens can then be neither accepted nor rejected.
    fn version(&self) -> Option<u64>;

    /// Returns the key with this `kid`. Returns `None` if it is unknown, or was retired so long ago that every token it
    /// signed has expired at `now`.
    fn verification_key(&self, kid: &str, now: Timestamp) -> Option<VerificationKey>;
}
