use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use use_cases::factors::FactorsSettings;

/// The limits of one-time codes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "codes")]
pub struct CodeSettings {
    /// Lifetime of a one-time code. At least `1s`, at most `10m` (NIST SP 800-63B, 3.1.3.2).
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s", "formatMaximum" = "10m"))]
    pub lifetime: Duration,
    /// Attempts allowed per code, right or wrong. At least 1.
    #[schemars(range(min = 1))]
    pub attempts_per_challenge: u32,
    /// Attempts allowed per contact in 24 hours, over all its codes. At least 1.
    #[schemars(range(min = 1))]
    pub attempts_per_contact: u32,
    /// Attempts allowed per user in 24 hours, over all contacts. At least 1.
    #[schemars(range(min = 1))]
    pub attempts_per_user: u32,
    /// Codes allowed to one address or number in ten minutes. At least 1.
    #[schemars(range(min = 1))]
    pub sends_per_destination: u32,
    /// Codes allowed for one user in 24 hours. At least 1.
    #[schemars(range(min = 1))]
    pub sends_per_user: u32,
}

impl Default for CodeSettings {
    fn default() -> Self {
        let FactorsSettings { codes, sends } = FactorsSettings::default();
        Self {
            lifetime: codes.lifetime,
            attempts_per_challenge: codes.attempts_per_challenge,
            attempts_per_contact: codes.attempts_per_contact,
            attempts_per_user: codes.attempts_per_user,
            sends_per_destination: sends.per_destination.limit,
            sends_per_user: sends.per_user.limit,
        }
    }
}

impl CodeSettings {
    /// Returns the settings that the use cases of factors read.
    pub fn use_cases(&self) -> FactorsSettings {
        // A setting that is not copied is an unused variable.
        let Self {
            lifetime,
            attempts_per_challenge,
            attempts_per_contact,
            attempts_per_user,
            sends_per_destination,
            sends_per_user,
        } = *self;
        let mut settings = FactorsSettings::default();
        settings.codes.lifetime = lifetime;
        settings.codes.attempts_per_challenge = attempts_per_challenge;
        settings.codes.attempts_per_contact = attempts_per_contact;
        settings.codes.attempts_per_user = attempts_per_user;
        settings.sends.per_destination.limit = sends_per_destination;
        settings.sends.per_user.limit = sends_per_user;
        settings
    }
}

/// The secret of one-time codes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "secrets")]
pub struct CodeSecretSettings {
    /// File with the key of the digests of one-time codes, 64 hexadecimal digits.
    pub codes_file: PathBuf,
}
