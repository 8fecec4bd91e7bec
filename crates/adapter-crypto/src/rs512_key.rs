use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::Timestamp;
use jsonwebtoken::DecodingKey;
use ports::sessions::SigningError;
use ports::tokens::PublicKey;

use crate::hashes::sha256;

/// An RSA signing key. It is parsed once: if every signature parsed it, a core would sign 1,500 times a second instead
/// of 4,030 (docs/adr/0004-sign-on-the-workers.md).
#[derive(Clone)]
pub struct Rs512Key {
    pair: Arc<KeyPair>,
    public: Arc<PublicKey>,
}

impl Rs512Key {
    pub(crate) fn new(pair: KeyPair) -> Self {
        let public = pair.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
        let exponent = public.exponent().big_endian_without_leading_zero().to_vec();
        // RFC 7638 section 3.2: the required members in lexicographic order.
        let jwk = format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(&exponent),
            URL_SAFE_NO_PAD.encode(&modulus)
        );
        let id = URL_SAFE_NO_PAD.encode(sha256(&[jwk.as_bytes()]));
        Self {
            public: Arc::new(PublicKey {
                id,
                modulus,
                exponent,
                retired_at: None,
            }),
            pair: Arc::new(pair),
        }
    }

    /// Returns the `kid`: the SHA-256 thumbprint of the key (RFC 7638).
    pub fn id(&self) -> &str {
        &self.public.id
    }

    pub(crate) fn public_key(&self, retired_at: Option<Timestamp>) -> PublicKey {
        PublicKey {
            retired_at,
            ..(*self.public).clone()
        }
    }

    /// Signs with RSASSA-PKCS1-v1_5 and SHA-512 (RFC 8017 section 8.2).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| SigningError("the library reported an error"))?;
        Ok(signature)
    }

    pub(crate) fn decoding_key(&self) -> DecodingKey {
        DecodingKey::from_rsa_raw_components(&self.public.modulus, &self.public.exponent)
    }
}
