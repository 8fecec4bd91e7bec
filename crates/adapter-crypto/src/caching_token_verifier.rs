use std::sync::Arc;

use domain::caller::VerifiedToken;
use domain::time::Timestamp;
use moka::sync::Cache;
use ports::{TokenVerificationError, TokenVerifier};

use crate::hashes::sha256;
use crate::verifier::JwtVerifier;
use crate::{TokenProfile, VerificationKeys};

/// The maximum number of cached tokens. A full cache evicts the least used ones. An entry has the claims of one token,
/// some hundred bytes, so a full cache takes a few megabytes.
const CACHE_CAPACITY: u64 = 10_000;

/// Verifies access tokens and caches the valid ones, so that each signature is verified once per key set.
///
/// - The key of a cache entry is the SHA-256 of the token's text and the version of the key set. Header, signature,
///   issuer, audience, `iat` and `nbf` therefore need no second check.
/// - Every use checks `exp`, and that a usable key set is available.
/// - Rejections are not cached, because the key of a rejected token may become known.
///
/// Scenario: a token is verified under version 3 of the key set. An operator revokes its key, which creates version 4.
/// The next request finds no entry under version 4, and the token is rejected. The entries of version 3 are never used
/// again.
///
/// The cache does not cover lock status, session and client. The active check reads them at every request.
pub struct CachingTokenVerifier {
    verifier: JwtVerifier,
    keys: Arc<dyn VerificationKeys>,
    verified: Cache<(u64, [u8; 32]), Arc<VerifiedToken>>,
}

impl CachingTokenVerifier {
    pub fn new(keys: Arc<dyn VerificationKeys>, profile: TokenProfile) -> Self {
        let verified = Cache::builder()
            .max_capacity(CACHE_CAPACITY)
            .time_to_live(profile.longest_life)
            .build();
        Self {
            verifier: JwtVerifier::new(keys.clone(), profile),
            keys,
            verified,
        }
    }
}

impl TokenVerifier for CachingTokenVerifier {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, TokenVerificationError> {
        let version = self.keys.version().ok_or(TokenVerificationError::KeysUnavailable)?;
        let key = (version, sha256(&[token.as_bytes()]));
        if let Some(verified) = self.verified.get(&key) {
            return if now < verified.caller.expires_at {
                Ok(verified)
            } else {
                Err(TokenVerificationError::Invalid)
            };
        }
        let verified = Arc::new(self.verifier.verify(token, now)?);
        self.verified.insert(key, verified.clone());
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use domain::ids::ClientId;
    use domain::sessions::{AccessToken, AccessTokenSubject};
    use ports::sessions::TokenSigner as _;
    use ports::{MetricEvent, Telemetry};

    use super::*;
    use crate::{KeyDirectory, KeyRing, Rs512Signer, TokenType, VerificationKey};

    struct NullTelemetry;

    impl Telemetry for NullTelemetry {
        fn record(&self, _: MetricEvent) {}
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn profile() -> TokenProfile {
        TokenProfile {
            issuer: "https://authme.test".to_owned(),
            audience: "authme".to_owned(),
            token_type: TokenType::AccessToken,
            longest_life: Duration::from_hours(1),
        }
    }

    fn access_token(issued_at: Timestamp) -> AccessToken {
        AccessToken {
            id: "a".repeat(24),
            subject: AccessTokenSubject::Client,
            client: ClientId::parse("tester").unwrap(),
            client_epoch: 0,
            roles: Vec::new(),
            scopes: Vec::new(),
            issued_at,
            expires_at: issued_at.checked_add(Duration::from_hours(1)).unwrap(),
        }
    }

    /// A key ring that a test can make unavailable.
    struct UnreliableRing {
        ring: Arc<KeyRing>,
        is_unavailable: AtomicBool,
    }

    impl VerificationKeys for UnreliableRing {
        fn version(&self) -> Option<u64> {
            self.ring
                .version()
                .filter(|_| !self.is_unavailable.load(Ordering::SeqCst))
        }

        fn verification_key(&self, kid: &str, now: Timestamp) -> Option<VerificationKey> {
            self.ring.verification_key(kid, now)
        }
    }

    #[test]
    fn without_a_key_set_cached_tokens_are_not_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let ring = Arc::new(KeyRing::open(directory, Duration::from_hours(1)).unwrap());
        let signer = Rs512Signer::new(ring.clone(), profile(), Arc::new(NullTelemetry));
        let token = signer.sign(&access_token(at(100))).unwrap();
        let keys = Arc::new(UnreliableRing {
            ring,
            is_unavailable: AtomicBool::new(false),
        });
        let verifier = CachingTokenVerifier::new(keys.clone(), profile());
        let result = || verifier.verify(&token, at(100)).map(drop);
        assert_eq!(result(), Ok(()));
        keys.is_unavailable.store(true, Ordering::SeqCst);
        assert_eq!(result(), Err(TokenVerificationError::KeysUnavailable));
    }

    #[test]
    fn tokens_of_a_stolen_retired_key_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let ring = || Arc::new(KeyRing::open(directory.clone(), Duration::from_hours(1)).unwrap());
        // The thief's copy of the ring is never reloaded.
        let thief = Rs512Signer::new(ring(), profile(), Arc::new(NullTelemetry));
        directory.generate(at(100)).unwrap();
        let first = directory.list().unwrap().remove(0).id;
        directory.retire(&first, at(100)).unwrap();
        let retired_at = directory.list().unwrap().remove(0).retired_at.unwrap();

        let verifier = CachingTokenVerifier::new(ring(), profile());
        let result = |issued_at: i64| {
            let token = thief.sign(&access_token(at(issued_at))).unwrap();
            verifier.verify(&token, at(issued_at)).map(drop)
        };
        assert_eq!(result(retired_at.as_second() - 1), Ok(()));
        for late in [0, 1, 3599] {
            assert_eq!(
                result(retired_at.as_second() + late),
                Err(TokenVerificationError::Invalid),
                "{late}"
            );
        }
    }
}
