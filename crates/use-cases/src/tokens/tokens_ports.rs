use std::sync::Arc;
use std::time::Duration;

use ports::tokens::{ClientSecrets, KeySet, ValidationTokenHasher, ValidationTokens};
use ports::{Runtime, Stores, Telemetry};

use crate::sessions::SessionPorts;

/// The lifetimes and default roles that the operator sets.
#[derive(Debug, Clone)]
pub struct TokensSettings {
    pub validation_token_lifetime: Duration,
    /// The roles of a user whom a first SAML login creates.
    pub saml_default_roles: Vec<String>,
}

impl Default for TokensSettings {
    fn default() -> Self {
        Self {
            // A browser redirect takes seconds.
            validation_token_lifetime: Duration::from_mins(1),
            saml_default_roles: vec!["AUTH-BASIC".to_owned(), "USER".to_owned()],
        }
    }
}

/// The ports of the context.
#[derive(Clone)]
pub struct TokensPorts {
    pub sessions: SessionPorts,
    pub validation_tokens: Arc<dyn ValidationTokens>,
    pub key_set: Arc<dyn KeySet>,
    pub client_secrets: Arc<dyn ClientSecrets>,
    pub hasher: Arc<dyn ValidationTokenHasher>,
    pub telemetry: Arc<dyn Telemetry>,
}

/// The ports of the context that only the adapter of cryptography implements.
#[derive(Clone)]
pub struct TokensCrypto {
    pub key_set: Arc<dyn KeySet>,
    pub client_secrets: Arc<dyn ClientSecrets>,
    pub hasher: Arc<dyn ValidationTokenHasher>,
}

impl TokensPorts {
    pub fn new(stores: &Stores, runtime: &Runtime, sessions: SessionPorts, crypto: TokensCrypto) -> Self {
        Self {
            sessions,
            validation_tokens: stores.validation_tokens.clone(),
            key_set: crypto.key_set,
            client_secrets: crypto.client_secrets,
            hasher: crypto.hasher,
            telemetry: runtime.telemetry.clone(),
        }
    }
}
