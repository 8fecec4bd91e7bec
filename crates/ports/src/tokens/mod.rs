//! Ports of the tokens context: validation tokens, public keys and client secrets.

mod client_secrets;
mod key_set;
mod validation_tokens;

pub use client_secrets::ClientSecrets;
pub use key_set::{KeySet, PublicKey};
pub use validation_tokens::{VALIDATION_TOKENS, ValidationTokenHasher, ValidationTokens};
