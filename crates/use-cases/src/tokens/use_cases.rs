use std::sync::Arc;

use super::validation_token_issuer::ValidationTokenIssuer;
use super::{
    ChangeApp, HandleAuth, IntrospectToken, ListPublicKeys, LogInClient, RenewToken, RevokeToken, TokensPorts,
    TokensSettings,
};
use crate::sessions::Issuance;

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
