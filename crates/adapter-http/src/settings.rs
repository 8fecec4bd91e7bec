use std::time::Duration;

use crate::connection_limits::ConnectionSettings;
use crate::login_guard::LoginGuardSettings;
use crate::peer::TrustedProxies;
use crate::request_limits::RequestLimitSettings;

/// The settings of the API port.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    pub workers: usize,
    pub trusted_proxies: TrustedProxies,
    /// The time for which other verifiers may cache the key set: its `max-age`.
    pub key_set_cache_time: Duration,
    /// The time for which the process keeps accepting connections after the shutdown has begun, so that load balancers
    /// can notice it.
    pub drain: Duration,
    /// The time limit of the shutdown for requests in flight.
    pub shutdown_timeout: Duration,
    pub connections: ConnectionSettings,
    pub request_limits: RequestLimitSettings,
    /// True if the API reference is served at `/docs`. `/openapi.json` is always served.
    pub serves_docs: bool,
    /// True if the token of a renewal may be in the query, which access logs of proxies record.
    pub accepts_query_tokens: bool,
    /// The limits on failed client logins. They have no effect without the tokens context, which has the login.
    pub login_guard: LoginGuardSettings,
}
