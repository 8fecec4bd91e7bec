//! The one assembly of every process: contexts wired to adapters, started, run and stopped.
//!
//! A process is a list of [`Context`]s on a [`Platform`]: SQLite and files (feature `sqlite`), or MongoDB and Kafka
//! (feature `mongodb`).

mod app;
mod context;
mod contexts;
mod keys;
mod platform;
mod running;
pub mod settings;
mod wiring;

#[cfg(feature = "sqlite")]
mod backup;
#[cfg(feature = "sqlite")]
mod data_folder;
#[cfg(feature = "sqlite")]
mod embedded;

#[cfg(feature = "mongodb")]
mod arguments;
#[cfg(feature = "mongodb")]
mod check;
#[cfg(feature = "mongodb")]
mod deployed;
#[cfg(feature = "mongodb")]
mod deployed_keys;
#[cfg(feature = "mongodb")]
pub mod deployed_settings;
#[cfg(feature = "mongodb")]
mod kafka;
#[cfg(feature = "mongodb")]
mod output;
#[cfg(feature = "mongodb")]
mod service;
#[cfg(feature = "mongodb")]
mod store;
#[cfg(feature = "mongodb")]
mod topics;

pub use app::App;
#[cfg(feature = "sqlite")]
pub use backup::{Backup, BackupStep, Restore, RestoreStep};
pub use context::{Context, Eraser};
pub use contexts::{
    AcceptedTokenSettings, CONTEXTS, CREDENTIAL_LOCK, CodeSecretSettings, CodeSettings, DIRECTORY, EVENTS,
    EventLogSettings, FACTORS, IssuerSettings, RefreshSecretSettings, SamlSettings, SmsRegionSettings, TOKENS,
    TokenSettings,
};
#[cfg(feature = "sqlite")]
pub use data_folder::DataFolder;
pub use platform::Platform;
pub use running::{Listeners, Running};
#[cfg(feature = "mongodb")]
pub use service::Service;
pub use wiring::{Secrets, Wiring};
