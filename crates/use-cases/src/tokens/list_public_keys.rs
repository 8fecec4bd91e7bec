use std::sync::Arc;

use ports::tokens::{KeySet, PublicKey};

/// Returns the public keys: all that may still verify a token, and the next one before it signs.
pub struct ListPublicKeys {
    key_set: Arc<dyn KeySet>,
}

impl ListPublicKeys {
    pub(super) fn new(key_set: Arc<dyn KeySet>) -> Self {
        Self { key_set }
    }

    #[tracing::instrument(level = "debug", name = "list_public_keys", skip_all)]
    pub fn run(&self) -> Vec<PublicKey> {
        self.key_set.public_keys()
    }
}
