use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The directory of signing keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "keys")]
pub struct KeyDirectorySettings {
    /// Folder with `<kid>.pem` and `manifest.json`, as `authme keys` writes it. The service `tokens` signs with these
    /// keys; the others verify.
    #[schemars(extend("requiredUnless" = "keys.url"))]
    pub directory: Option<PathBuf>,
}

/// The key set of the service `tokens`, for services that only verify.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "keys")]
pub struct RemoteKeySetSettings {
    /// URL of the key set of the service `tokens`, `…/security/iam/v1/.well-known/jwks.json`. Takes precedence over
    /// `keys.directory`.
    pub url: Option<String>,
    /// CA certificates (PEM) that verify the server of `keys.url`. Unset: the system's certificates.
    pub ca_file: Option<PathBuf>,
    /// `true` accepts plain HTTP to another machine in `keys.url`. An attacker on that network can then forge access
    /// tokens.
    pub allow_insecure: bool,
    /// Age at which a key set that could not be fetched again is dropped. The service then answers 503 to every request
    /// with a token and is not ready. At least `1m`.
    ///
    /// The minimum is ten times the fetch interval, so that a few failed fetches do not cause an outage.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1m"))]
    pub longest_age: Duration,
}

impl Default for RemoteKeySetSettings {
    fn default() -> Self {
        Self {
            url: None,
            ca_file: None,
            allow_insecure: false,
            longest_age: Duration::from_hours(1),
        }
    }
}

/// The publication of the key set, for services that sign.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "keys")]
pub struct KeySetCacheSettings {
    /// Time for which verifiers may cache the key set. A new key is published at least this long before it signs.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration")]
    pub cache_time: Duration,
}

impl Default for KeySetCacheSettings {
    fn default() -> Self {
        Self {
            cache_time: Duration::from_mins(5),
        }
    }
}
