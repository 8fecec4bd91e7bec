//! The sections of the settings that every process reads, and those that a deployed service reads besides.

use std::path::PathBuf;

use adapter_crypto::{KeyDirectorySettings, RemoteKeySetSettings};
use adapter_delivery::{DeliveryConfig, DeliverySettings};
use adapter_http::{HttpSettings, LimitSettings};
use service_runtime::{CommandError, Loaded, LogSettings, RelaySettings, Section, SettingsError};

use crate::contexts::AcceptedTokenSettings;

/// The sections of the HTTP servers.
pub const HTTP: &[Section] = &[Section::of::<HttpSettings>(), Section::of::<LimitSettings>()];

/// The other sections that every process reads.
pub const COMMON: &[Section] = &[Section::of::<AcceptedTokenSettings>(), Section::of::<LogSettings>()];

/// The sections that every deployed service reads besides [`HTTP`], [`COMMON`], `store` and `kafka`.
pub const DEPLOYED: &[Section] = &[Section::of::<KeyDirectorySettings>(), Section::of::<RelaySettings>()];

/// The further section of a deployed service that only verifies tokens.
pub const VERIFIER: &[Section] = &[Section::of::<RemoteKeySetSettings>()];

/// The settings that every process reads.
#[derive(Debug, Clone)]
pub struct ProcessSettings {
    pub http: HttpSettings,
    pub limits: LimitSettings,
    pub tokens: AcceptedTokenSettings,
    pub log: LogSettings,
}

impl ProcessSettings {
    /// Reads the sections.
    pub fn read(loaded: &Loaded) -> Result<Self, SettingsError> {
        Ok(Self {
            http: loaded.read()?,
            limits: loaded.read()?,
            tokens: loaded.read()?,
            log: loaded.read()?,
        })
    }
}

/// Reads the sections of the delivery of codes.
pub fn delivery_config(loaded: &Loaded) -> Result<DeliveryConfig, SettingsError> {
    Ok(DeliveryConfig {
        delivery: loaded.read()?,
        smtp: loaded.read()?,
        sms: loaded.read()?,
    })
}

/// Returns how codes are delivered. `outgoing_codes` is the file for the codes of contact types that have no server.
pub fn delivery(loaded: &Loaded, outgoing_codes: Option<PathBuf>) -> Result<DeliverySettings, CommandError> {
    let config = delivery_config(loaded).map_err(CommandError::context("the settings are invalid"))?;
    let settings = config.into_settings(outgoing_codes, adapter_crypto::read_private);
    settings.map_err(CommandError::context("the delivery of codes cannot be set up"))
}
