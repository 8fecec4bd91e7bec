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
        /// The `max-age` of the key set: the time for which a verifier may cache it.
        key_set_cache_time: Duration,
        /// `true` if renewals accept their token in the query, where proxies may log it.
        accepts_query_tokens: bool,
        login_guard: LoginGuardSettings,
    },
}

impl Context {
    /// Returns the aggregate whose outboxes the service relays and purges. The service writes no other aggregate.
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

    /// Returns whether renewals accept a token in the query; only the tokens context has renewals.
    pub(crate) const fn accepts_query_tokens(&self) -> bool {
        match self {
            Self::Tokens {
                accepts_query_tokens, ..
            } => *accepts_query_tokens,
            Self::CredentialLock(_) | Self::Factors(_) => false,
        }
    }

    /// Returns the limits of failed client logins; only the tokens context has client logins.
    pub(crate) fn login_guard(&self) -> LoginGuardSettings {
        match self {
            Self::Tokens { login_guard, .. } => *login_guard,
            Self::CredentialLock(_) | Self::Factors(_) => LoginGuardSettings::default(),
        }
    }

    /// Adds the context to the API.
    pub(crate) fn add_to(self, api: &mut Api) {
        match self {
            Self::CredentialLock(credential_lock) => api.credential_lock = Some(Arc::new(credential_lock)),
            Self::Factors(factors) => api.factors = Some(Arc::new(factors)),
            Self::Tokens { tokens, .. } => api.tokens = Some(Arc::new(tokens)),
        }
    }
}
