use domain::client::ClientSecretDigest;

/// Digests and compares client secrets. A generated secret has 256 random bits, and one that the operator supplies must
/// be long, so a salted SHA-256 suffices (NIST SP 800-63B-4 section 3.1.1.2 requires a slow hash only for passwords
/// that a person chooses). Synchronous.
pub trait ClientSecrets: Send + Sync {
    /// Returns a digest under a fresh salt, so two calls return different ones.
    fn digest(&self, secret: &str) -> ClientSecretDigest;

    /// Returns whether `secret` has this digest, compared in constant time. It does not check `valid_until`.
    fn matches(&self, secret: &str, digest: &ClientSecretDigest) -> bool;
}
