use aws_lc_rs::hmac;
use domain::sessions::{RefreshToken, SignedRefreshToken};
use ports::sessions::RefreshTokenCodec;
use zeroize::Zeroizing;

use crate::hashes::sha256;

/// Encodes refresh tokens with an HMAC-SHA-256 (RFC 2104) over everything before the last dot, and verifies them
/// (docs/protocols.md "Refresh token").
///
/// The first key encodes; all keys verify. An operator can therefore replace a key without ending sessions. Scenario:
/// the file has key A. The operator puts B above A, and new tokens are encoded with B. A token encoded with A still
/// verifies, and its renewal returns a token encoded with B. After the longest life of a session, 30 days by default,
/// no token of A is left, and the operator removes A.
pub struct HmacRefreshTokenCodec {
    keys: Vec<CodecKey>,
}

struct CodecKey {
    /// The id of the key in a token: the first 4 bytes of SHA-256 over "refresh key id" and the key, in hexadecimal. It
    /// selects the key and proves nothing.
    id: String,
    key: hmac::Key,
}

impl HmacRefreshTokenCodec {
    /// Takes the keys, of which the first encodes. Returns `None` if there is no key.
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
    use domain::sessions::Nonce;

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
    fn forged_tokens_do_not_verify() {
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
    fn a_token_of_the_previous_key_verifies() {
        let signed = codec(&[1]).encode(&token());
        assert_eq!(codec(&[2, 1]).verify(&signed), Some(token()));
    }
}
