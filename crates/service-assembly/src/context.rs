use std::sync::Arc;
use std::time::Duration;

use adapter_http::{Api, LoginGuardSettings};
use ports::Aggregate;
use use_cases::credential_lock::CredentialLockUseCases;
use use_cases::factors::FactorsUseCases;
use use_cases::tokens::TokensUseCases;

/// The one context that a service serves.
pub enum Context {
    CredentialLock(CredentialLockUseCases),
    Factors(FactorsUseCases),
    Tokens {
        tokens: TokensUseCases,
        /// How long a verifier may keep the key set.
        key_set_cache_time: Duration,
        /// Whether a renewal may have its token in the query.
        query_tokens: bool,
        login_guard: LoginGuardSettings,
    },
}

impl Context {
    /// Whose outboxes are carried out here: a service publishes what it wrote itself.
    pub(crate) const fn aggregate(&self) -> Aggregate {
        match self {
            Self::CredentialLock(_) => Aggregate::Credential,
            Self::Factors(_) => Aggregate::FactorSet,
            Self::Tokens { .. } => Aggregate::RefreshFamily,
        }
    }

    pub(crate) const fn key_set_cache_time(&self) -> Duration {
        match self {
            Self::Tokens { key_set_cache_time, .. } => *key_set_cache_time,
            Self::CredentialLock(_) | Self::Factors(_) => Duration::ZERO,
        }
    }

    /// Only one context renews tokens.
    pub(crate) const fn query_tokens(&self) -> bool {
        match self {
            Self::Tokens { query_tokens, .. } => *query_tokens,
            Self::CredentialLock(_) | Self::Factors(_) => false,
        }
    }

    /// Only one context logs clients in.
    pub(crate) fn login_guard(&self) -> LoginGuardSettings {
        match self {
            Self::Tokens { login_guard, .. } => *login_guard,
            Self::CredentialLock(_) | Self::Factors(_) => LoginGuardSettings::default(),
        }
    }

    /// Puts it into what is served.
    pub(crate) fn serve_in(self, api: &mut Api) {
        match self {
            Self::CredentialLock(credential_lock) => api.credential_lock = Some(Arc::new(credential_lock)),
            Self::Factors(factors) => api.factors = Some(Arc::new(factors)),
            Self::Tokens { tokens, .. } => api.tokens = Some(Arc::new(tokens)),
        }
    }
}
