//! The sections of the settings that configure the use cases, and the sections that each program reads.

mod factors;
#[cfg(feature = "mongodb")]
mod service;
mod tokens;

use adapter_crypto::{KeyDirectorySettings, KeySetCacheSettings, RemoteKeySetSettings};
use adapter_delivery::{DeliveryConfig, DeliverySection, SmsSection, SmtpSection};
use adapter_http::{HttpSettings, LimitSettings, LoginGuardSettings};
use service_runtime::{Loaded, LogSettings, RelaySettings, Section, SettingsError};

pub use factors::{CodeSecretSettings, CodeSettings};
#[cfg(feature = "mongodb")]
pub use service::{ServiceSettings, program, services};
pub use tokens::{AcceptedTokenSettings, IssuerSettings, RefreshSecretSettings, SamlSettings, TokenSettings};

/// The sections of the HTTP servers, which every program reads.
pub const HTTP: &[Section] = &[Section::of::<HttpSettings>(), Section::of::<LimitSettings>()];

/// The other sections that every program reads.
pub const COMMON: &[Section] = &[Section::of::<AcceptedTokenSettings>(), Section::of::<LogSettings>()];

/// The sections of a program that issues tokens.
pub const ISSUER: &[Section] = &[
    Section::of::<TokenSettings>(),
    Section::of::<LoginGuardSettings>(),
    Section::of::<SamlSettings>(),
    Section::of::<KeySetCacheSettings>(),
];

/// The sections of a program that sends codes.
pub const SENDER: &[Section] = &[
    Section::of::<DeliverySection>(),
    Section::of::<SmtpSection>(),
    Section::of::<SmsSection>(),
    Section::of::<CodeSettings>(),
];

/// The sections that every deployed service reads besides [`HTTP`], [`COMMON`], `store` and `kafka`.
pub const DEPLOYED: &[Section] = &[Section::of::<KeyDirectorySettings>(), Section::of::<RelaySettings>()];

/// The further section of a deployed service that only verifies tokens.
pub const VERIFIER: &[Section] = &[Section::of::<RemoteKeySetSettings>()];

/// The further section of the deployed service `tokens`. `authme` generates the secret.
pub const REFRESH_SECRET: &[Section] = &[Section::of::<RefreshSecretSettings>()];

/// The further section of the deployed service `factors`. `authme` generates the secret.
pub const CODE_SECRET: &[Section] = &[Section::of::<CodeSecretSettings>()];

/// Reads the sections of [`SENDER`] that configure the delivery of codes.
pub fn delivery(loaded: &Loaded) -> Result<DeliveryConfig, SettingsError> {
    Ok(DeliveryConfig {
        delivery: loaded.read()?,
        smtp: loaded.read()?,
        sms: loaded.read()?,
    })
}
