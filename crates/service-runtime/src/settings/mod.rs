//! Settings: the defaults of the binary, overridden by a file, overridden by the environment. One error names
//! all unknown settings, or all missing ones.

mod catalog;
mod error;
mod loaded;
mod sections;
mod service;
mod setting;
mod table;

use std::path::Path;

use config::Environment;

pub(crate) use catalog::variable_of;
pub use error::SettingsError;
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

/// Loads the settings of a binary. The file overrides the defaults (both TOML), and the environment
/// (`AUTHME__SECTION__NAME`) overrides the file.
pub fn load(binary: Binary, defaults: &str, file: Option<&Path>) -> Result<Loaded, SettingsError> {
    Loaded::merge(binary, defaults, file, Environment::with_prefix("AUTHME"))
}
