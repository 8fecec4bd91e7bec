use aws_lc_rs::hmac;
use domain::tokens::{RefreshToken, SignedRefreshToken};
use ports::tokens::RefreshTokenCodec;
use zeroize::Zeroizing;

use crate::hashes::sha256;

/// HMAC-SHA-256 (RFC 2104) over everything before it. The first key seals; all of them open, so a key can be replaced
/// while tokens under the one before live on.
pub struct HmacRefreshTokenCodec {
    keys: Vec<CodecKey>,
}

struct CodecKey {
    id: String,
    key: hmac::Key,
}

impl HmacRefreshTokenCodec {
    /// `None` without a key.
    pub fn new(secrets: &[Zeroizing<[u8; 32]>]) -> Option<Self> {
        let keys: Vec<CodecKey> = secrets
            .iter()
            .map(|secret| CodecKey {
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

impl RefreshTokenCodec for HmacRefreshTokenCodec {
    fn encode(&self, token: &RefreshToken) -> String {
        let Some(CodecKey { id, key }) = self.keys.first() else {
            return String::new();
        };
        let part = token.authenticated_part(id);
        let mac = hmac::sign(key, part.as_bytes());
        format!("{}.{}", &*part, domain::hex::encode(mac.as_ref()))
    }

    fn verify(&self, text: &str) -> Option<RefreshToken> {
        let signed = SignedRefreshToken::parse(text).ok()?;
        let key = self.keys.iter().find(|key| key.id == signed.key_id())?;
        let mac = hmac::sign(&key.key, signed.authenticated_part().as_bytes());
        signed.verify(mac.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::FamilyId;
    use domain::tokens::Nonce;

    use super::*;

    fn codec(keys: &[u8]) -> HmacRefreshTokenCodec {
        let secrets: Vec<_> = keys.iter().map(|byte| Zeroizing::new([*byte; 32])).collect();
        HmacRefreshTokenCodec::new(&secrets).unwrap()
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
        let signed = codec(&[1]).encode(&token());
        assert_eq!(codec(&[1]).verify(&signed), Some(token()));
        assert_eq!(codec(&[2]).verify(&signed), None);
        for forged in [
            signed.replacen(".1.", ".2.", 1),
            signed.replace("0101", "0102"),
            signed.replace("rt_", "rt_x"),
            format!("{signed}0"),
        ] {
            assert_eq!(codec(&[1]).verify(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_token_of_the_key_before_still_opens() {
        let signed = codec(&[1]).encode(&token());
        assert_eq!(codec(&[2, 1]).verify(&signed), Some(token()));
    }
}
