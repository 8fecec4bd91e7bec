use std::num::NonZeroU32;
use std::thread::available_parallelism;
use std::time::Duration;

use domain::names::{RoleHolder, is_administrator};
use jiff::SignedDuration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use use_cases::factors::FactorsSettings;
use use_cases::sessions::SessionSettings;
use use_cases::tokens::TokensSettings;

use super::SettingsError;

/// The settings of `authme`, one process that serves all contexts.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    pub http: HttpSettings,
    pub limits: LimitSettings,
    pub tokens: TokenSettings,
    pub saml: SamlSettings,
    pub login: LoginSettings,
    pub keys: KeySettings,
    pub codes: CodeSettings,
    pub log: LogSettings,
}

impl Settings {
    /// Rejects unusable values.
    pub fn validate(self) -> Result<Self, SettingsError> {
        self.http.check()?;
        self.tokens.check()?;
        self.saml.check()?;
        self.codes.check()?;
        Ok(self)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct HttpSettings {
    pub listen: String,
    pub management: String,
    /// The networks of proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<String>,
    /// The time for which a stopping process still accepts requests.
    #[serde(deserialize_with = "deserialize_duration")]
    pub drain: Duration,
    /// The number of threads that process requests; 0 for one per core.
    pub workers: usize,
    /// `true` if the reference page is served.
    #[serde(rename = "docs")]
    pub serves_docs: bool,
    /// The time after which a connection is closed if its peer reads nothing of a response.
    #[serde(deserialize_with = "deserialize_duration")]
    pub write_timeout: Duration,
    /// The maximum number of open connections; 0 leaves only the limit on open files.
    pub connections: usize,
    /// The maximum number of open connections per peer address; 0 for no limit.
    pub connections_per_peer: usize,
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
    pub fn connections(&self) -> usize {
        let available = open_files_limit().map(|limit| limit.saturating_sub(RESERVED_DESCRIPTORS).max(limit / 2));
        match (self.connections, available) {
            (given, None) => given,
            (0, Some(available)) => available,
            (given, Some(available)) => given.min(available),
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        check_at_least_a_second("http.write_timeout", self.write_timeout)
    }
}

/// Rate limits of one process; 0 for no limit.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct LimitSettings {
    /// Requests allowed per client per second.
    pub requests_per_client: u32,
    /// Requests allowed per user per second.
    pub requests_per_user: u32,
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

#[derive(Debug, Clone, Deserialize)]
pub struct TokenSettings {
    pub issuer: Option<String>,
    pub audience: String,
    pub typ: String,
    #[serde(deserialize_with = "deserialize_duration")]
    pub access_token_lifetime: Duration,
    /// The upper limit of the access token lifetime of every client. Tokens with a longer lifetime are rejected.
    #[serde(deserialize_with = "deserialize_duration")]
    pub longest_access_token_lifetime: Duration,
    #[serde(deserialize_with = "deserialize_duration")]
    pub validation_token_lifetime: Duration,
    #[serde(deserialize_with = "deserialize_duration")]
    pub refresh_absolute_lifetime: Duration,
    #[serde(deserialize_with = "deserialize_duration")]
    pub refresh_idle_lifetime: Duration,
    #[serde(deserialize_with = "deserialize_duration")]
    pub refresh_grace: Duration,
    /// The number of sessions that one client may start for one user per minute, in one process; 0 for no limit.
    pub new_sessions_per_minute: u32,
    /// `true` if renewals accept their token in the query.
    #[serde(rename = "query_tokens")]
    pub accepts_query_tokens: bool,
}

impl TokenSettings {
    /// Returns the settings that sessions read.
    pub fn sessions(&self) -> SessionSettings {
        SessionSettings {
            access_token_lifetime: self.access_token_lifetime,
            refresh_absolute_lifetime: self.refresh_absolute_lifetime,
            refresh_idle_lifetime: self.refresh_idle_lifetime,
            refresh_grace: self.refresh_grace,
            new_sessions_per_minute: self.new_sessions_per_minute,
        }
    }

    /// Returns the settings that the use cases of tokens read.
    pub fn lifetimes(&self, saml: &SamlSettings) -> TokensSettings {
        TokensSettings {
            validation_token_lifetime: self.validation_token_lifetime,
            saml_default_roles: saml.default_roles.clone(),
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let lifetimes = [
            ("tokens.access_token_lifetime", self.access_token_lifetime),
            ("tokens.validation_token_lifetime", self.validation_token_lifetime),
            ("tokens.refresh_absolute_lifetime", self.refresh_absolute_lifetime),
            ("tokens.refresh_idle_lifetime", self.refresh_idle_lifetime),
        ];
        for (name, lifetime) in lifetimes {
            check_at_least_a_second(name, lifetime)?;
        }
        if self.access_token_lifetime > self.longest_access_token_lifetime {
            return Err(SettingsError::unusable(
                "tokens.access_token_lifetime",
                "must not exceed tokens.longest_access_token_lifetime",
            ));
        }
        Ok(())
    }
}

/// Failed client logins allowed per minute, in one process.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct LoginSettings {
    pub failures_per_client: NonZeroU32,
    pub failures_per_peer: NonZeroU32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SamlSettings {
    pub default_roles: Vec<String>,
}

impl SamlSettings {
    /// Rejects administrator roles: otherwise the first user that an identity provider names would be an administrator.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let is_forbidden = |role: &&String| RoleHolder::Identity.check(role).is_err() || is_administrator(role);
        match self.default_roles.iter().find(is_forbidden) {
            None => Ok(()),
            Some(role) => Err(SettingsError::unusable(
                "saml.default_roles",
                format!("holds `{role}`, which is not allowed for users created by a SAML login"),
            )),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct KeySettings {
    /// The time for which verifiers may cache the key set. A new key is published at least this long before it signs.
    #[serde(deserialize_with = "deserialize_duration")]
    pub cache_time: Duration,
}

/// Limits of one-time codes.
#[derive(Debug, Clone, Deserialize)]
pub struct CodeSettings {
    #[serde(deserialize_with = "deserialize_duration")]
    pub lifetime: Duration,
    pub attempts_per_challenge: u32,
    pub attempts_per_contact: u32,
    pub attempts_per_user: u32,
    pub sends_per_destination: u32,
    pub sends_per_user: u32,
}

impl CodeSettings {
    /// Returns the settings that the use cases of factors read.
    pub fn limits(&self) -> FactorsSettings {
        let mut limits = FactorsSettings::default();
        limits.codes.lifetime = self.lifetime;
        limits.codes.attempts_per_challenge = self.attempts_per_challenge;
        limits.codes.attempts_per_contact = self.attempts_per_contact;
        limits.codes.attempts_per_user = self.attempts_per_user;
        limits.sends.per_destination.limit = self.sends_per_destination;
        limits.sends.per_user.limit = self.sends_per_user;
        limits
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        check_at_least_a_second("codes.lifetime", self.lifetime)?;
        if self.lifetime > Duration::from_mins(10) {
            return Err(SettingsError::unusable("codes.lifetime", "must not exceed 10m"));
        }
        let counts = [
            ("codes.attempts_per_challenge", self.attempts_per_challenge),
            ("codes.attempts_per_contact", self.attempts_per_contact),
            ("codes.attempts_per_user", self.attempts_per_user),
            ("codes.sends_per_destination", self.sends_per_destination),
            ("codes.sends_per_user", self.sends_per_user),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(SettingsError::unusable(name, "must be at least 1")),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Clone, Deserialize)]
pub struct LogSettings {
    pub format: LogFormat,
    pub filter: String,
}

pub(super) fn check_at_least_a_second(name: &'static str, duration: Duration) -> Result<(), SettingsError> {
    if duration < Duration::from_secs(1) {
        return Err(SettingsError::unusable(name, "must be at least 1s"));
    }
    Ok(())
}

pub(super) fn deserialize_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| D::Error::custom("expected a duration, such as 30s, 5m or 24h"))
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StrDeserializer};

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

    #[test]
    fn durations_are_parsed_and_other_text_is_rejected() {
        let read = |text: &'static str| {
            let text: StrDeserializer<'_, Error> = text.into_deserializer();
            deserialize_duration(text)
        };
        assert_eq!(read("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(read("24h"), Ok(Duration::from_hours(24)));
        assert!(read("soon").is_err());
        assert!(read("-5m").is_err());
    }
}
