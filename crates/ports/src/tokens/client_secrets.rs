use domain::client::ClientSecretDigest;

/// Digests of client secrets. A secret we make has 256 bits of its own, and one that is brought must be long, so a salted
/// SHA-256 keeps it (NIST SP 800-63B-4 section 3.1.1.2 asks a slow hash of chosen passwords only). Synchronous.
pub trait ClientSecrets: Send + Sync {
    /// A digest under a fresh salt.
    fn digest(&self, secret: &str) -> ClientSecretDigest;

    /// Whether `secret` is the one behind `digest`, in constant time.
    fn matches(&self, secret: &str, digest: &ClientSecretDigest) -> bool;
}
