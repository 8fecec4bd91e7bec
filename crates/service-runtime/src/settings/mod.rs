//! Settings: defaults in the binary, then a file, then the environment. Unknown keys are refused, all at once, and so
//! are missing ones.

mod loaded;
mod register;
mod sections;
mod service;
mod setting;
mod table;

use std::path::Path;

use config::{ConfigError, Environment};

pub use loaded::Loaded;
pub use sections::{
    CodeSettings, HttpSettings, KeySettings, LimitSettings, LogFormat, LogSettings, LoginSettings, SamlSettings,
    Settings, TokenSettings,
};
pub use service::{
    AcceptedTokenSettings, CodeSecretSettings, IssuerSettings, KafkaSecurity, KafkaSettings, KeySourceSettings,
    RelaySettings, SecretSettings, SenderSettings, ServiceSettings, StoreSettings,
};
pub use setting::Binary;
pub use table::settings_table;

/// Why settings are not used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the settings cannot be read")]
    Unreadable(#[from] ConfigError),
    #[error("unknown settings: {}", .0.join(", "))]
    Unknown(Vec<String>),
    #[error("missing settings: {}", .0.join(", "))]
    Missing(Vec<String>),
    #[error("`{name}` {what}")]
    Unusable { name: &'static str, what: String },
}

impl SettingsError {
    fn unusable(name: &'static str, what: impl Into<String>) -> Self {
        Self::Unusable {
            name,
            what: what.into(),
        }
    }
}

/// Loads the settings of a binary over the TOML text of its defaults; the environment (`AUTHME__SECTION__NAME`) wins.
pub fn load(binary: Binary, defaults: &str, file: Option<&Path>) -> Result<Loaded, SettingsError> {
    Loaded::over(binary, defaults, file, Environment::with_prefix("AUTHME"))
}
