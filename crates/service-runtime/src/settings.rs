//! Settings: defaults in the binary, then a file, then the environment. Unknown keys are refused, all at once.

use std::path::Path;
use std::time::Duration;

use config::{Config, ConfigError, Environment, File, FileFormat};
use jiff::SignedDuration;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// Why settings are not used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFailure {
    #[error("the settings cannot be read")]
    Unreadable(#[from] ConfigError),
    #[error("unknown settings: {}", .0.join(", "))]
    Unknown(Vec<String>),
    #[error("`{name}` {what}")]
    Unusable { name: &'static str, what: String },
}

/// Settings of a process that serves the API.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    pub http: HttpSettings,
    pub tokens: TokenSettings,
    pub saml: SamlSettings,
    pub keys: KeySettings,
    pub log: LogSettings,
}

#[derive(Debug, Clone, Deserialize)]
pub struct HttpSettings {
    pub listen: String,
    pub management: String,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// How long a stopping process still serves before it stops accepting.
    #[serde(deserialize_with = "duration")]
    pub drain: Duration,
    /// Threads that answer; 0 for one per core.
    pub workers: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub struct TokenSettings {
    pub issuer: Option<String>,
    pub audience: String,
    pub typ: String,
    #[serde(deserialize_with = "duration")]
    pub access_token_lifetime: Duration,
    /// Longest access token life any client may have; longer tokens are refused.
    #[serde(deserialize_with = "duration")]
    pub longest_access_token_lifetime: Duration,
    #[serde(deserialize_with = "duration")]
    pub validation_token_lifetime: Duration,
    #[serde(deserialize_with = "duration")]
    pub refresh_absolute_lifetime: Duration,
    #[serde(deserialize_with = "duration")]
    pub refresh_idle_lifetime: Duration,
    #[serde(deserialize_with = "duration")]
    pub refresh_grace: Duration,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SamlSettings {
    pub default_roles: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct KeySettings {
    /// How long a verifier may keep the key set: a new key is published at least so long before it signs.
    #[serde(deserialize_with = "duration")]
    pub cache_time: Duration,
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

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| D::Error::custom("a duration like 30s, 5m or 24h is expected"))
}

/// Loads settings over the TOML text of the defaults; the environment (`AUTHME__SECTION__NAME`) wins.
pub fn load<T: DeserializeOwned>(defaults: &str, file: Option<&Path>) -> Result<T, SettingsFailure> {
    load_from(defaults, file, Environment::with_prefix("AUTHME"))
}

fn load_from<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    environment: Environment,
) -> Result<T, SettingsFailure> {
    let mut builder = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
    if let Some(file) = file {
        builder = builder.add_source(File::from(file).format(FileFormat::Toml));
    }
    let environment = environment.prefix_separator("__").separator("__").ignore_empty(true);
    let config = builder.add_source(environment).build()?;
    let mut unknown = Vec::new();
    let settings = serde_ignored::deserialize(config, |path| unknown.push(path.to_string()))?;
    if unknown.is_empty() {
        Ok(settings)
    } else {
        Err(SettingsFailure::Unknown(unknown))
    }
}

impl Settings {
    /// Refuses what could never work.
    pub fn checked(self) -> Result<Self, SettingsFailure> {
        let tokens = &self.tokens;
        let lifetimes = [
            ("tokens.access_token_lifetime", tokens.access_token_lifetime),
            ("tokens.validation_token_lifetime", tokens.validation_token_lifetime),
            ("tokens.refresh_absolute_lifetime", tokens.refresh_absolute_lifetime),
            ("tokens.refresh_idle_lifetime", tokens.refresh_idle_lifetime),
        ];
        let unusable = |name, what: &str| {
            Err(SettingsFailure::Unusable {
                name,
                what: what.to_owned(),
            })
        };
        for (name, lifetime) in lifetimes {
            if lifetime < Duration::from_secs(1) {
                return unusable(name, "must be at least 1s");
            }
        }
        if tokens.access_token_lifetime > tokens.longest_access_token_lifetime {
            return unusable(
                "tokens.access_token_lifetime",
                "must not exceed tokens.longest_access_token_lifetime",
            );
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const DEFAULTS: &str = "[log]\nformat = \"json\"\nfilter = \"info\"\n";

    #[derive(Debug, Deserialize)]
    struct OnlyLog {
        log: LogSettings,
    }

    fn load_with(environment: &[(&str, &str)], defaults: &str) -> Result<OnlyLog, SettingsFailure> {
        let environment: HashMap<String, String> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        load_from(
            defaults,
            None,
            Environment::with_prefix("AUTHME").source(Some(environment)),
        )
    }

    #[test]
    fn the_environment_wins() {
        let settings = load_with(
            &[("AUTHME__LOG__FORMAT", "text"), ("AUTHME_DATA", "elsewhere")],
            DEFAULTS,
        )
        .unwrap();
        assert_eq!(settings.log.format, LogFormat::Text);
        assert_eq!(settings.log.filter, "info");
    }

    #[test]
    fn every_unknown_setting_is_named_by_its_whole_path() {
        let refused = load_with(
            &[("AUTHME__LOG__COLOUR", "red"), ("AUTHME__HTTPS__PORT", "1")],
            DEFAULTS,
        )
        .unwrap_err();
        let SettingsFailure::Unknown(mut unknown) = refused else {
            panic!("{refused}")
        };
        unknown.sort();
        assert_eq!(unknown, ["https", "log.colour"]);
    }

    #[test]
    fn durations_are_read_and_nonsense_is_refused() {
        #[derive(Deserialize)]
        struct Wait {
            #[serde(deserialize_with = "duration")]
            wait: Duration,
        }
        let wait = |text: &str| {
            load_from::<Wait>(
                &format!("wait = \"{text}\""),
                None,
                Environment::with_prefix("AUTHME_NONE"),
            )
        };
        assert_eq!(wait("5m").unwrap().wait, Duration::from_mins(5));
        assert_eq!(wait("24h").unwrap().wait, Duration::from_hours(24));
        assert!(wait("soon").is_err());
        assert!(wait("-5m").is_err());
    }
}
