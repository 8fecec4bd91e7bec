//! Ports of the tokens context: validation tokens, public keys and client secrets.

mod client_secrets;
mod key_set;
mod validation_tokens;

use std::sync::Arc;

use crate::sessions::UsedOnceHasher;

pub use client_secrets::ClientSecrets;
pub use key_set::{KeySet, PublicKey};
pub use validation_tokens::{VALIDATION_TOKENS, ValidationTokenHasher, ValidationTokens};

/// The ports of the context that adapters of cryptography implement.
#[derive(Clone)]
pub struct TokensCrypto {
    /// The public keys of this process.
    pub key_set: Arc<dyn KeySet>,
    /// Digests of client secrets.
    pub client_secrets: Arc<dyn ClientSecrets>,
    /// Digests of validation tokens.
    pub hasher: Arc<dyn ValidationTokenHasher>,
    /// Keys of assertions.
    pub used_once_hasher: Arc<dyn UsedOnceHasher>,
}
