//! SAML login, renewal, step-up, introspection, keys, and the sessions of a user.

mod assertion_guard;
mod change_app;
mod end_session;
mod end_sessions;
mod handle_auth;
mod inspected_token;
mod introspect_token;
mod list_public_keys;
mod list_sessions;
mod log_in_client;
mod renew_token;
mod revoke_token;
mod session_error;
mod tokens_ports;
mod validation_token_issuer;

use std::sync::Arc;

use crate::sessions::Issuance;
use validation_token_issuer::ValidationTokenIssuer;

pub use change_app::{ChangeApp, ChangeAppRequest};
pub use end_session::EndSession;
pub use end_sessions::EndSessions;
pub use handle_auth::{HandleAuth, HandleAuthRequest};
pub use inspected_token::InspectedToken;
pub use introspect_token::{ActiveRefreshToken, IntrospectToken, Introspection};
pub use list_public_keys::ListPublicKeys;
pub use list_sessions::{ListSessions, SessionPage};
pub use log_in_client::LogInClient;
pub use renew_token::{ExpectedSubject, RenewToken, RenewTokenRequest, RenewalGrant};
pub use revoke_token::{RevokeToken, RevokeTokenError};
pub use session_error::SessionError;
pub use tokens_ports::{TokensPorts, TokensSettings};
pub use validation_token_issuer::IssuedValidationToken;

/// The use cases of the context.
pub struct TokensUseCases {
    pub log_in_client: LogInClient,
    pub handle_auth: HandleAuth,
    pub renew_token: RenewToken,
    pub change_app: ChangeApp,
    pub revoke_token: RevokeToken,
    pub list_sessions: ListSessions,
    pub end_session: EndSession,
    pub end_sessions: EndSessions,
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
            list_sessions: ListSessions::new(&ports.stores, &ports.runtime),
            end_session: EndSession::new(&ports.stores, &ports.runtime),
            end_sessions: EndSessions::new(&ports.stores, &ports.runtime),
            introspect_token: IntrospectToken::new(ports, issuance),
            renew_token: RenewToken::new(ports, issuance),
            list_public_keys: ListPublicKeys::new(ports.crypto.key_set.clone()),
        }
    }
}
