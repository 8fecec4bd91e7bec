//! Ports of the tokens context: sessions, validation tokens, keys and secrets.

mod client_secrets;
mod key_set;
mod refresh_families;
mod refresh_token_codec;
mod token_signer;
mod validation_tokens;

pub use client_secrets::ClientSecrets;
pub use key_set::{KeySet, PublicKey};
pub use refresh_families::{CloseOutcome, RefreshFamilies, RotationOutcome};
pub use refresh_token_codec::RefreshTokenCodec;
pub use token_signer::{SigningError, TokenSigner};
pub use validation_tokens::{ValidationTokenHasher, ValidationTokens};
