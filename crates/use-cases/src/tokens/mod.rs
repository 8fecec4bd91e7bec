//! SAML login, renewal, step-up, introspection and keys.

mod change_app;
mod handle_auth;
mod inspected_token;
mod introspect_token;
mod list_public_keys;
mod log_in_client;
mod renew_token;
mod revoke_token;
mod validation_token_issuer;

use std::sync::Arc;
use std::time::Duration;

use ports::tokens::{ClientSecrets, KeySet, ValidationTokenHasher, ValidationTokens};
use ports::{Runtime, Stores, Telemetry};

use crate::sessions::{Issuance, SessionPorts};
use validation_token_issuer::ValidationTokenIssuer;

pub use change_app::{ChangeApp, ChangeAppRequest};
pub use handle_auth::{HandleAuth, HandleAuthRequest};
pub use inspected_token::InspectedToken;
pub use introspect_token::{ActiveRefreshToken, IntrospectToken, Introspection};
pub use list_public_keys::ListPublicKeys;
pub use log_in_client::LogInClient;
pub use renew_token::{ExpectedSubject, RenewToken, RenewTokenRequest, RenewalGrant};
pub use revoke_token::{RevokeToken, RevokeTokenError};
pub use validation_token_issuer::IssuedValidationToken;

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

/// The use cases of the context.
pub struct TokensUseCases {
    pub log_in_client: LogInClient,
    pub handle_auth: HandleAuth,
    pub renew_token: RenewToken,
    pub change_app: ChangeApp,
    pub revoke_token: RevokeToken,
    pub introspect_token: IntrospectToken,
    pub list_public_keys: ListPublicKeys,
}

impl TokensUseCases {
    pub fn new(ports: &TokensPorts, issuance: &Issuance, settings: &TokensSettings) -> Self {
        let validation_tokens = Arc::new(ValidationTokenIssuer::new(ports, issuance, settings));
        Self {
            log_in_client: LogInClient::new(ports, issuance),
            handle_auth: HandleAuth::new(ports, settings, validation_tokens.clone()),
            change_app: ChangeApp::new(issuance, validation_tokens),
            revoke_token: RevokeToken::new(issuance),
            introspect_token: IntrospectToken::new(ports, issuance),
            renew_token: RenewToken::new(ports, issuance),
            list_public_keys: ListPublicKeys::new(ports.key_set.clone()),
        }
    }
}
