use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use domain::client::ClientSecretDigest;
use domain::tokens::ValidationTokenHash;
use ports::Randomness as _;
use ports::tokens::{ClientSecrets, KeySet, TokensCrypto, ValidationTokenHasher};

use crate::SystemRandomness;

/// Hashes secrets with SHA-256 (FIPS 180-4). A fast hash is enough for secrets of high entropy, which cannot be guessed
/// (docs/adr/0003-client-secrets-under-a-fast-hash.md).
#[derive(Debug, Clone, Copy, Default)]
pub struct Sha256;

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

impl ValidationTokenHasher for Sha256 {
    fn hash(&self, token: &str) -> ValidationTokenHash {
        ValidationTokenHash(sha256(&[token.as_bytes()]))
    }
}

impl ClientSecrets for Sha256 {
    fn digest(&self, secret: &str) -> ClientSecretDigest {
        let salt = SystemRandomness.nonce();
        ClientSecretDigest {
            salt,
            digest: sha256(&[&salt, secret.as_bytes()]),
            valid_until: None,
        }
    }

    fn matches(&self, secret: &str, digest: &ClientSecretDigest) -> bool {
        let presented = sha256(&[&digest.salt, secret.as_bytes()]);
        constant_time::verify_slices_are_equal(&presented, &digest.digest).is_ok()
    }
}

/// Returns the cryptography of the tokens context over a key set.
pub fn tokens_crypto(key_set: Arc<dyn KeySet>) -> TokensCrypto {
    TokensCrypto {
        key_set,
        client_secrets: Arc::new(Sha256),
        hasher: Arc::new(Sha256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_matches_its_own_secret_only() {
        let digest = Sha256.digest("a secret of some length");
        assert!(Sha256.matches("a secret of some length", &digest));
        assert!(!Sha256.matches("another secret", &digest));
        assert_ne!(Sha256.digest("a secret of some length"), digest);
    }
}
