use std::sync::Arc;

use domain::caller::VerifiedToken;
use domain::time::Timestamp;
use moka::sync::Cache;
use ports::{TokenRejection, TokenVerifier};

use crate::hashes::sha256;
use crate::verifier::JwtVerifier;
use crate::{TokenProfile, VerificationKeys};

/// How many verified tokens are remembered; the least useful go first.
const CAPACITY: u64 = 10_000;

/// Verifies access tokens and remembers the good ones by hash until they expire, so that a token's signature is checked
/// once. Refusals are never remembered, and whatever changes the key set forgets everything: its version is in the key.
pub struct VerifiedTokens {
    verifier: JwtVerifier,
    keys: Arc<dyn VerificationKeys>,
    verified: Cache<(u64, [u8; 32]), Arc<VerifiedToken>>,
}

impl VerifiedTokens {
    pub fn new(keys: Arc<dyn VerificationKeys>, profile: TokenProfile) -> Self {
        let verified = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_live(profile.longest_life)
            .build();
        Self {
            verifier: JwtVerifier::new(keys.clone(), profile),
            keys,
            verified,
        }
    }
}

impl TokenVerifier for VerifiedTokens {
    fn inspect(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, TokenRejection> {
        let key = (self.keys.version(), sha256(&[token.as_bytes()]));
        if let Some(verified) = self.verified.get(&key) {
            return if now < verified.caller.expires_at {
                Ok(verified)
            } else {
                Err(TokenRejection::Invalid)
            };
        }
        let verified = Arc::new(self.verifier.inspect(token, now)?);
        self.verified.insert(key, verified.clone());
        Ok(verified)
    }
}
