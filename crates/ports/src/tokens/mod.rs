//! What the tokens context needs.

mod client_secrets;
mod key_set;
mod refresh_families;
mod refresh_token_seal;
mod token_signer;
mod validation_tokens;

pub use client_secrets::ClientSecrets;
pub use key_set::{KeySet, PublicKey};
pub use refresh_families::{Closed, RefreshFamilies, Rotation};
pub use refresh_token_seal::RefreshTokenSeal;
pub use token_signer::{SigningFailure, TokenSigner};
pub use validation_tokens::{ValidationTokenHasher, ValidationTokens};
