use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service_runtime::CommandError;
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
    /// Codes allowed to one address or number in ten minutes: for one user if it is verified, for all users together if
    /// it is not. At least 1.
    #[schemars(range(min = 1))]
    pub sends_per_destination: u32,
    /// Codes allowed to one unverified address or number in 24 hours, for all users together. At least 1.
    #[schemars(range(min = 1))]
    pub sends_per_destination_a_day: u32,
    /// Codes allowed for one user in 24 hours. At least 1.
    #[schemars(range(min = 1))]
    pub sends_per_user: u32,
    /// Codes that one process sends in an hour, for all users together. Beyond it, requests for codes are answered with
    /// 503 until the hour is over. At least 1.
    #[schemars(range(min = 1))]
    pub sends_per_hour: u32,
}

impl Default for CodeSettings {
    fn default() -> Self {
        let FactorsSettings {
            codes,
            sends,
            sends_per_hour,
            regions: _,
        } = FactorsSettings::default();
        Self {
            lifetime: codes.lifetime,
            attempts_per_challenge: codes.attempts_per_challenge,
            attempts_per_contact: codes.attempts_per_contact,
            attempts_per_user: codes.attempts_per_user,
            sends_per_destination: sends.per_destination.limit,
            sends_per_destination_a_day: sends.per_destination_day.limit,
            sends_per_user: sends.per_user.limit,
            sends_per_hour,
        }
    }
}

impl CodeSettings {
    /// Returns the settings that the use cases of factors read.
    pub fn use_cases(&self, regions: &SmsRegionSettings) -> FactorsSettings {
        // A setting that is not copied is an unused variable.
        let Self {
            lifetime,
            attempts_per_challenge,
            attempts_per_contact,
            attempts_per_user,
            sends_per_destination,
            sends_per_destination_a_day,
            sends_per_user,
            sends_per_hour,
        } = *self;
        let mut settings = FactorsSettings {
            sends_per_hour,
            regions: regions.regions.clone(),
            ..FactorsSettings::default()
        };
        settings.codes.lifetime = lifetime;
        settings.codes.attempts_per_challenge = attempts_per_challenge;
        settings.codes.attempts_per_contact = attempts_per_contact;
        settings.codes.attempts_per_user = attempts_per_user;
        settings.sends.per_destination.limit = sends_per_destination;
        settings.sends.per_destination_day.limit = sends_per_destination_a_day;
        settings.sends.per_user.limit = sends_per_user;
        settings
    }
}

/// The regions that text messages go to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "sms")]
pub struct SmsRegionSettings {
    /// Region codes of the mobile numbers that codes are sent to, such as `55` for Brazil. Allow only the regions of your
    /// users: numbers of others are used for toll fraud.
    pub regions: Vec<String>,
}

impl Default for SmsRegionSettings {
    fn default() -> Self {
        Self {
            regions: FactorsSettings::default().regions,
        }
    }
}

impl SmsRegionSettings {
    /// Rejects an element that is not a region code: it would allow no number, and the operator would learn of it by the
    /// first code that is not sent.
    pub fn check(&self) -> Result<(), CommandError> {
        let is_region = |text: &String| {
            (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0')
        };
        match self.regions.iter().find(|region| !is_region(region)) {
            Some(region) => Err(CommandError::msg(format!(
                "`{region}` in `sms.regions` is not a region code: write one to three digits without a plus sign, such as 55"
            ))),
            None => Ok(()),
        }
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
