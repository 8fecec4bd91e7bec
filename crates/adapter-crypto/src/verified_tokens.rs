use std::sync::Arc;

use domain::caller::VerifiedToken;
use domain::time::Timestamp;
use moka::sync::Cache;
use ports::{TokenVerificationError, TokenVerifier};

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
        let verified = Arc::new(self.verifier.inspect(token, now)?);
        self.verified.insert(key, verified.clone());
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use domain::ids::ClientId;
    use domain::tokens::{AccessToken, AccessTokenSubject};
    use ports::tokens::TokenSigner as _;
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

    fn issued(issued_at: Timestamp) -> AccessToken {
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

    /// Keys that can be lost.
    struct KeyLosingRing(Arc<KeyRing>, AtomicBool);

    impl VerificationKeys for KeyLosingRing {
        fn version(&self) -> Option<u64> {
            self.0.version().filter(|_| !self.1.load(Ordering::SeqCst))
        }

        fn verification_key(&self, kid: &str, now: Timestamp) -> Option<VerificationKey> {
            self.0.verification_key(kid, now)
        }
    }

    #[test]
    fn without_a_key_set_nothing_is_said_even_of_a_token_that_was_verified() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let ring = Arc::new(KeyRing::open(directory, Duration::from_hours(1)).unwrap());
        let signer = Rs512Signer::new(ring.clone(), profile(), Arc::new(NullTelemetry));
        let token = signer.sign(&issued(at(100))).unwrap();
        let keys = Arc::new(KeyLosingRing(ring, AtomicBool::new(false)));
        let verifier = VerifiedTokens::new(keys.clone(), profile());
        let judged = || verifier.verify(&token, at(100)).map(drop);
        assert_eq!(judged(), Ok(()));
        keys.1.store(true, Ordering::SeqCst);
        assert_eq!(judged(), Err(TokenVerificationError::KeysUnavailable));
    }

    #[test]
    fn a_copy_of_a_retired_key_signs_nothing_that_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let ring = || Arc::new(KeyRing::open(directory.clone(), Duration::from_hours(1)).unwrap());
        // Whoever has this copy never hears of the retirement.
        let thief = Rs512Signer::new(ring(), profile(), Arc::new(NullTelemetry));
        directory.generate(at(100)).unwrap();
        let first = directory.list().unwrap().remove(0).id;
        directory.retire(&first, at(100)).unwrap();
        let retired_at = directory.list().unwrap().remove(0).retired_at.unwrap();

        let verifier = VerifiedTokens::new(ring(), profile());
        let judged = |issued_at: i64| {
            let token = thief.sign(&issued(at(issued_at))).unwrap();
            verifier.verify(&token, at(issued_at)).map(drop)
        };
        assert_eq!(judged(retired_at.as_second() - 1), Ok(()));
        for late in [0, 1, 3599] {
            assert_eq!(
                judged(retired_at.as_second() + late),
                Err(TokenVerificationError::Invalid),
                "{late}"
            );
        }
    }
}
