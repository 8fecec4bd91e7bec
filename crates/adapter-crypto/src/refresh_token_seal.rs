use aws_lc_rs::hmac;
use domain::tokens::{RefreshToken, SealedRefreshToken};
use ports::tokens::RefreshTokenSeal;
use zeroize::Zeroizing;

use crate::hashes::sha256;

/// HMAC-SHA-256 (RFC 2104) over everything before it. The first key seals; all of them open, so a key can be replaced
/// while tokens under the one before live on.
pub struct HmacRefreshTokenSeal {
    keys: Vec<SealKey>,
}

struct SealKey {
    id: String,
    key: hmac::Key,
}

impl HmacRefreshTokenSeal {
    /// `None` without a key.
    pub fn new(secrets: &[Zeroizing<[u8; 32]>]) -> Option<Self> {
        let keys: Vec<SealKey> = secrets
            .iter()
            .map(|secret| SealKey {
                id: domain::hex::encode(
                    sha256(&[b"refresh key id", secret.as_slice()])
                        .get(..4)
                        .unwrap_or_default(),
                ),
                key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()),
            })
            .collect();
        (!keys.is_empty()).then_some(Self { keys })
    }
}

impl RefreshTokenSeal for HmacRefreshTokenSeal {
    fn seal(&self, token: &RefreshToken) -> String {
        let Some(SealKey { id, key }) = self.keys.first() else {
            return String::new();
        };
        let part = token.authenticated_part(id);
        let mac = hmac::sign(key, part.as_bytes());
        format!("{}.{}", &*part, domain::hex::encode(mac.as_ref()))
    }

    fn open(&self, text: &str) -> Option<RefreshToken> {
        let sealed = SealedRefreshToken::parse(text).ok()?;
        let key = self.keys.iter().find(|key| key.id == sealed.key_id())?;
        let mac = hmac::sign(&key.key, sealed.authenticated_part().as_bytes());
        sealed.open(mac.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::FamilyId;
    use domain::tokens::Nonce;

    use super::*;

    fn seal(keys: &[u8]) -> HmacRefreshTokenSeal {
        let secrets: Vec<_> = keys.iter().map(|byte| Zeroizing::new([*byte; 32])).collect();
        HmacRefreshTokenSeal::new(&secrets).unwrap()
    }

    fn token() -> RefreshToken {
        RefreshToken {
            family: FamilyId::from_random([1; 12]),
            generation: 1,
            nonce: Nonce([2; 16]),
        }
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let sealed = seal(&[1]).seal(&token());
        assert_eq!(seal(&[1]).open(&sealed), Some(token()));
        assert_eq!(seal(&[2]).open(&sealed), None);
        for forged in [
            sealed.replacen(".1.", ".2.", 1),
            sealed.replace("0101", "0102"),
            sealed.replace("rt_", "rt_x"),
            format!("{sealed}0"),
        ] {
            assert_eq!(seal(&[1]).open(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_token_of_the_key_before_still_opens() {
        let sealed = seal(&[1]).seal(&token());
        assert_eq!(seal(&[2, 1]).open(&sealed), Some(token()));
    }
}
