use std::sync::Arc;
use std::time::Duration;

use adapter_http::{Api, LoginGuardSettings};
use domain::credential_lock::CredentialLock;
use domain::factors::FactorSet;
use ports::factors::SEND_LIMITS;
use ports::sessions::REFRESH_FAMILIES;
use ports::tokens::VALIDATION_TOKENS;
use ports::{Aggregate, Versioned as _};
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
    /// Returns the aggregates that the service relays and purges. It writes no other aggregate that needs either.
    pub(crate) fn aggregates(&self) -> Vec<&'static Aggregate> {
        match self {
            Self::CredentialLock(_) => vec![CredentialLock::AGGREGATE],
            Self::Factors(_) => vec![FactorSet::AGGREGATE, &SEND_LIMITS],
            Self::Tokens { .. } => vec![&REFRESH_FAMILIES, &VALIDATION_TOKENS],
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
