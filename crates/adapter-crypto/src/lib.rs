//! Signing, verifying, the key set, hashes, MACs and randomness. No other crate depends on `aws-lc-rs` or
//! `jsonwebtoken`.

mod caching_token_verifier;
mod code_digester;
mod hashes;
#[cfg(feature = "key-set-url")]
mod jwk_set;
mod key_directory;
mod key_ring;
mod randomness;
mod refresh_token_codec;
#[cfg(feature = "key-set-url")]
mod remote_key_set;
mod rs512_key;
mod secret_file;
mod settings;
mod signer;
mod verification_keys;
mod verifier;

pub use caching_token_verifier::CachingTokenVerifier;
pub use code_digester::HmacCodeDigester;
pub use hashes::{Sha256, tokens_crypto};
pub use key_directory::{KeyDirectory, KeyEntry, KeyError, RevokedKey};
pub use key_ring::KeyRing;
pub use randomness::SystemRandomness;
pub use refresh_token_codec::HmacRefreshTokenCodec;
#[cfg(feature = "key-set-url")]
pub use remote_key_set::{KeySetUrlError, RemoteKeySet};
pub use rs512_key::Rs512Key;
pub use secret_file::{
    SecretFileError, read_or_create_secret, read_private, read_secret, read_secret_text, require_private, write_private,
};
pub use settings::{KeyDirectorySettings, KeySetCacheSettings, RemoteKeySetSettings};
pub use signer::Rs512Signer;
pub use verification_keys::{VerificationKey, VerificationKeys};
pub use verifier::{TokenProfile, TokenType};
