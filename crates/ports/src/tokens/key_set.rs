use domain::time::Timestamp;

/// A public RSA signing key (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// `kid`: the RFC 7638 thumbprint.
    pub id: String,
    /// `n` (RFC 7518 section 6.3.1.1): big-endian, without leading zeros.
    pub modulus: Vec<u8>,
    /// `e` (RFC 7518 section 6.3.1.2): big-endian, without leading zeros.
    pub exponent: Vec<u8>,
    /// First `iat` at which a token with this key is rejected, even if its signature is good; `None` for a key in use.
    pub retired_at: Option<Timestamp>,
}

/// The keys that may verify a token: those in use, retired ones whose tokens have not expired, and the next one before
/// it signs. Synchronous.
pub trait KeySet: Send + Sync {
    /// Returns the keys that the key set publishes.
    fn public_keys(&self) -> Vec<PublicKey>;
}
