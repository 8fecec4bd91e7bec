use std::time::Duration;

use ports::tokens::TokensCrypto;
use ports::{Runtime, Stores};

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
    pub stores: Stores,
    pub runtime: Runtime,
    pub crypto: TokensCrypto,
}
