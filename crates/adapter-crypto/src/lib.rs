//! Signing, verifying, the key set, hashes, MACs and randomness. No other crate names `aws-lc-rs` or `jsonwebtoken`.

mod hashes;
mod key_directory;
mod key_ring;
mod randomness;
mod refresh_token_seal;
mod rs512_key;
mod secret_file;
mod signer;
mod verified_tokens;
mod verifier;

pub use hashes::Sha256;
pub use key_directory::{KeyDirectory, KeyEntry, KeyFailure};
pub use key_ring::KeyRing;
pub use randomness::SystemRandomness;
pub use refresh_token_seal::HmacRefreshTokenSeal;
pub use rs512_key::Rs512Key;
pub use secret_file::{SecretFileFailure, read_or_create_secret, write_private};
pub use signer::Rs512Signer;
pub use verified_tokens::VerifiedTokens;
pub use verifier::{TokenProfile, TokenType};
