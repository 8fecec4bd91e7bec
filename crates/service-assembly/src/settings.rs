//! The sections of the settings that every process reads, and those that a deployed service reads besides.

use std::path::PathBuf;

use adapter_crypto::{KeyDirectorySettings, RemoteKeySetSettings};
use adapter_delivery::{DeliveryConfig, DeliverySettings};
use adapter_http::{HttpSettings, LimitSettings};
use domain::loopback::is_loopback;
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
///
/// Fails if codes would be written into a file by a server that accepts requests from other machines, unless a setting
/// allows it: a deployment without a mail server would otherwise keep every code of its users in clear.
pub fn delivery(loaded: &Loaded, outgoing_codes: Option<PathBuf>) -> Result<DeliverySettings, CommandError> {
    let invalid = || CommandError::context("the settings are invalid");
    let config = delivery_config(loaded).map_err(invalid())?;
    let allows_file = config.delivery.allow_insecure;
    let settings = config.into_settings(outgoing_codes, adapter_crypto::read_private);
    let settings = settings.map_err(CommandError::context("the delivery of codes cannot be set up"))?;
    let listen = loaded.read::<HttpSettings>().map_err(invalid())?.listen;
    let host = listen.rsplit_once(':').map_or(listen.as_str(), |(host, _)| host);
    match settings.file() {
        Some(file) if !allows_file && !is_loopback(host) => Err(CommandError::msg(format!(
            "one-time codes would be written in clear into `{}` by a server that other machines reach (`http.listen` is \
             `{listen}`): set `smtp.host` and `sms.url`, or `delivery.allow_insecure = true` if no code is for a real user",
            file.display()
        ))),
        _ => Ok(settings),
    }
}
