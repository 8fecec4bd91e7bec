use std::num::NonZeroU32;
use std::thread::available_parallelism;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::peer::TrustedProxies;

/// The settings of the API port.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    pub http: HttpSettings,
    /// The parsed `http.trusted_proxies`.
    pub trusted_proxies: TrustedProxies,
    pub limits: LimitSettings,
    /// The time limit of the shutdown for requests in flight.
    pub shutdown_timeout: Duration,
}

/// The HTTP servers of the process.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "http")]
pub struct HttpSettings {
    /// Address and port of the API.
    pub listen: String,
    /// Address and port of the health checks and the metrics.
    pub management: String,
    /// Networks of the proxies whose `X-Forwarded-For` header is trusted, such as `["10.0.0.0/8"]`. Behind a proxy that
    /// is not listed, all callers share its address and its limits.
    pub trusted_proxies: Vec<String>,
    /// Time for which a stopping process still accepts requests, so that load balancers can take it out first.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration")]
    pub drain: Duration,
    /// Number of threads that process requests. `0` means one per core.
    pub workers: usize,
    /// `true` serves the API reference at `/docs`. `/openapi.json` is served in any case.
    #[serde(rename = "docs")]
    pub serves_docs: bool,
    /// Time after which a connection is closed if its peer reads nothing of a response. At least `1s`.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    pub write_timeout: Duration,
    /// Open connections allowed at a time; further ones are closed on arrival. The limit of open files (`ulimit -n`)
    /// caps it. `0` leaves only that cap.
    pub connections: usize,
    /// Open connections allowed per address (IPv6: per /64 network), except for `http.trusted_proxies`. `0` means no
    /// limit.
    pub connections_per_peer: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            management: "127.0.0.1:9090".to_owned(),
            trusted_proxies: Vec::new(),
            drain: Duration::from_secs(5),
            workers: 0,
            serves_docs: false,
            write_timeout: Duration::from_secs(30),
            connections: 4096,
            connections_per_peer: 256,
        }
    }
}

impl HttpSettings {
    /// Returns the number of threads that process requests.
    pub fn threads(&self) -> usize {
        match self.workers {
            0 => available_parallelism().map_or(1, usize::from),
            given => given,
        }
    }

    /// Returns the maximum number of open connections; 0 for no limit. It reserves a part of the limit on open files
    /// for the files and the store of the process.
    pub(crate) fn max_connections(&self) -> usize {
        let available = open_files_limit().map(|limit| limit.saturating_sub(RESERVED_DESCRIPTORS).max(limit / 2));
        match (self.connections, available) {
            (given, None) => given,
            (0, Some(available)) => available,
            (given, Some(available)) => given.min(available),
        }
    }
}

/// The number of file descriptors reserved for listeners, files, and connections to the store and the brokers.
const RESERVED_DESCRIPTORS: usize = 192;

/// Returns the limit on open files (`ulimit -n`), or `None` if the system reports no limit.
fn open_files_limit() -> Option<usize> {
    parse_open_files_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// Parses the soft limit from the text of `/proc/self/limits` (proc(5)).
fn parse_open_files_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The limits on requests per second, in one process. A used quota refills evenly and is full after a second.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "limits")]
pub struct LimitSettings {
    /// Requests allowed per client per second, in one process. Further ones get status 429. `0` means no limit.
    ///
    /// A request counts whether or not its token carries a user.
    pub requests_per_client: u32,
    /// Requests allowed per user per second, in one process. Further ones get status 429. `0` means no limit.
    ///
    /// A request counts through any client.
    pub requests_per_user: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            requests_per_client: 2000,
            requests_per_user: 100,
        }
    }
}

/// The limits on failed logins, in one process. A used quota refills evenly and is full after a minute. A network is an
/// IPv4 address, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "login")]
pub struct LoginGuardSettings {
    /// Failed logins allowed per client ID per minute, in one process. Once exceeded, addresses that failed with this
    /// client ID are rate-limited to one failure per minute. At least 1.
    ///
    /// The default, 100, is the limit of NIST SP 800-63B section 3.2.2, used as a rate. That section disables a
    /// person's password after 100 failures. Disabling a client in the same way would let any unauthenticated caller
    /// cause an outage.
    pub failures_per_client: NonZeroU32,
    /// Failed logins allowed per address per minute (IPv6: per /64 network), in one process. Once exceeded, logins from
    /// it get status 429. At least 1.
    ///
    /// With the default, 300, three misconfigured clients behind one NAT may fail at their full rate before other
    /// clients there are affected, and trying a million stolen secrets takes more than two days.
    pub failures_per_peer: NonZeroU32,
}

impl Default for LoginGuardSettings {
    fn default() -> Self {
        Self {
            failures_per_client: NonZeroU32::MIN.saturating_add(99),
            failures_per_peer: NonZeroU32::MIN.saturating_add(299),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_parsed() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             127235               127235               processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(parse_open_files_limit(limits), Some(1024));
        assert_eq!(
            parse_open_files_limit("Max open files            unlimited            unlimited"),
            None
        );
    }
}
