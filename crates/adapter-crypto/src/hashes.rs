use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use domain::client::ClientSecretDigest;
use domain::sessions::{UsedOnceKey, UsedOncePurpose};
use domain::tokens::ValidationTokenHash;
use ports::Randomness as _;
use ports::sessions::UsedOnceHasher;
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

/// Each part is preceded by its length in eight bytes, so that no other parts have the same hash.
impl UsedOnceHasher for Sha256 {
    fn key(&self, purpose: UsedOncePurpose, parts: &[&str]) -> UsedOnceKey {
        let mut hashed = Vec::new();
        for part in parts {
            hashed.extend_from_slice(&(part.len() as u64).to_be_bytes());
            hashed.extend_from_slice(part.as_bytes());
        }
        UsedOnceKey {
            purpose,
            hash: sha256(&[&hashed]),
        }
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
        used_once_hasher: Arc::new(Sha256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_parts_have_another_key() {
        let key = |parts: &[&str]| Sha256.key(UsedOncePurpose::SamlAssertion, parts);
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["c", "ab"]] {
            assert_ne!(key(&["ab", "c"]), key(other), "{other:?}");
        }
    }

    #[test]
    fn a_digest_matches_its_own_secret_only() {
        let digest = Sha256.digest("a secret of some length");
        assert!(Sha256.matches("a secret of some length", &digest));
        assert!(!Sha256.matches("another secret", &digest));
        assert_ne!(Sha256.digest("a secret of some length"), digest);
    }
}
