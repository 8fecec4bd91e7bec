use std::time::Duration;

use crate::settings::LoginGuardSettings;

/// The settings of the context's endpoints.
#[derive(Debug, Clone)]
pub struct TokensApiSettings {
    /// The time for which other verifiers may cache the key set: its `max-age`.
    pub key_set_cache_time: Duration,
    /// True if the token of a renewal may be in the query, which access logs of proxies record.
    pub accepts_query_tokens: bool,
    /// The limits on failed client logins.
    pub login_guard: LoginGuardSettings,
}
