use domain::time::Timestamp;

/// A public signing key (RFC 7517); big-endian integers without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// RFC 7638 thumbprint.
    pub id: String,
    pub modulus: Vec<u8>,
    pub exponent: Vec<u8>,
    /// A token that was issued then or later is not of this key, whoever signed it.
    pub retired_at: Option<Timestamp>,
}

/// The keys that may still verify a token, the next one included before it signs. Synchronous.
pub trait KeySet: Send + Sync {
    fn public_keys(&self) -> Vec<PublicKey>;
}
