//! Sessions and tokens.

mod access_token_factory;
mod change_app;
mod handle_auth;
mod inspected_token;
mod introspect_token;
mod list_public_keys;
mod log_in_client;
mod mint_gate;
mod rejection;
mod renew_token;
mod revoke_token;
mod session_start_limiter;
mod sessions;
mod validation_token_issuer;

use std::sync::Arc;
use std::time::Duration;

use ports::tokens::{
    ClientSecrets, KeySet, RefreshFamilies, RefreshTokenCodec, TokenSigner, ValidationTokenHasher, ValidationTokens,
};
use ports::{AuditTrail, Clients, Clock, Groups, Identities, LockStatuses, Randomness, StoreError, Telemetry};

use crate::{ActiveCheckPorts, UseCaseError};
use access_token_factory::AccessTokenFactory;
use mint_gate::MintGate;
use sessions::Sessions;
use validation_token_issuer::ValidationTokenIssuer;

pub use access_token_factory::IssuedTokens;
pub use change_app::{ChangeApp, ChangeAppRequest};
pub use handle_auth::{HandleAuth, HandleAuthRequest};
pub use inspected_token::InspectedToken;
pub use introspect_token::{ActiveRefreshToken, IntrospectToken, Introspection};
pub use list_public_keys::ListPublicKeys;
pub use log_in_client::LogInClient;
pub use mint_gate::Minted;
pub use renew_token::{ExpectedSubject, RenewToken, RenewTokenRequest, RenewalGrant};
pub use revoke_token::{RevokeToken, RevokeTokenError};
pub use validation_token_issuer::IssuedValidationToken;

/// The reason why nothing was minted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("clientId or userId does not agree with the token")]
    Contradiction,
    #[error("the client name or secret is not right")]
    BadCredentials,
    #[error("the caller may not renew for this client or user")]
    NotPermitted,
    #[error("the user is not known")]
    UserNotFound,
    #[error("the token is unknown, expired, used or revoked")]
    TokenNotValid,
    #[error("the credential is locked")]
    CredentialLocked,
    #[error("the client is unknown, disabled, or not set up for this flow")]
    ClientNotUsable,
    #[error("the business is not linked to the user")]
    BusinessNotLinked,
    #[error("a group is not known, or the caller may not assert it")]
    GroupNotKnown,
    /// The client started as many sessions of the user as it may in a minute. `wait` is the time until it may start
    /// another.
    #[error("too many new sessions")]
    TooManySessions { wait: Duration },
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The lifetimes, limits and default roles that the operator sets.
#[derive(Debug, Clone)]
pub struct TokensSettings {
    pub access_token_lifetime: Duration,
    pub validation_token_lifetime: Duration,
    pub refresh_absolute_lifetime: Duration,
    pub refresh_idle_lifetime: Duration,
    /// The time after a rotation during which the previous token still gets the same successor. Zero is strict: a spent
    /// token is a replay immediately.
    pub refresh_grace: Duration,
    /// The maximum number of sessions of one user that one client may start in a minute, in one process. 0 means no
    /// limit.
    pub new_sessions_per_minute: u32,
    /// The roles of a user whom a first SAML login creates.
    pub saml_default_roles: Vec<String>,
}

impl Default for TokensSettings {
    fn default() -> Self {
        Self {
            // A service that verifies tokens by itself accepts those of a locked user until `exp`.
            access_token_lifetime: Duration::from_mins(5),
            // A browser redirect takes seconds.
            validation_token_lifetime: Duration::from_mins(1),
            refresh_absolute_lifetime: Duration::from_hours(30 * 24),
            refresh_idle_lifetime: Duration::from_hours(7 * 24),
            // Enough for the retries of a client; the shorter it is, the sooner a copied token is detected.
            refresh_grace: Duration::from_secs(30),
            // Prevents a stolen token from filling the store.
            new_sessions_per_minute: 30,
            saml_default_roles: vec!["AUTH-BASIC".to_owned(), "USER".to_owned()],
        }
    }
}

/// The ports of the context.
#[derive(Clone)]
pub struct TokensPorts {
    pub clients: Arc<dyn Clients>,
    pub identities: Arc<dyn Identities>,
    pub groups: Arc<dyn Groups>,
    pub lock_statuses: Arc<dyn LockStatuses>,
    pub validation_tokens: Arc<dyn ValidationTokens>,
    pub refresh_families: Arc<dyn RefreshFamilies>,
    pub signer: Arc<dyn TokenSigner>,
    pub key_set: Arc<dyn KeySet>,
    pub client_secrets: Arc<dyn ClientSecrets>,
    pub hasher: Arc<dyn ValidationTokenHasher>,
    pub refresh_token_codec: Arc<dyn RefreshTokenCodec>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    pub telemetry: Arc<dyn Telemetry>,
    pub audit: Arc<dyn AuditTrail>,
}

impl From<&TokensPorts> for ActiveCheckPorts {
    fn from(ports: &TokensPorts) -> Self {
        Self {
            clients: ports.clients.clone(),
            identities: ports.identities.clone(),
            lock_statuses: ports.lock_statuses.clone(),
            refresh_families: ports.refresh_families.clone(),
            clock: ports.clock.clone(),
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
    pub fn new(ports: &TokensPorts, settings: &TokensSettings) -> Self {
        let sessions = Arc::new(Sessions::new(ports, settings));
        let gate = Arc::new(MintGate::new(ports, sessions.clone()));
        let access_tokens = Arc::new(AccessTokenFactory::new(ports, settings));
        let validation_tokens = Arc::new(ValidationTokenIssuer::new(ports, gate.clone(), settings));
        Self {
            log_in_client: LogInClient::new(ports, gate.clone(), access_tokens.clone()),
            handle_auth: HandleAuth::new(ports, settings, validation_tokens.clone()),
            change_app: ChangeApp::new(gate.clone(), access_tokens.clone(), validation_tokens),
            revoke_token: RevokeToken::new(sessions.clone()),
            introspect_token: IntrospectToken::new(ports, sessions.clone()),
            renew_token: RenewToken::new(ports, gate, access_tokens, sessions),
            list_public_keys: ListPublicKeys::new(ports.key_set.clone()),
        }
    }
}
