//! AuthMe in one process over SQLite: the three services, and the operator's commands.

pub mod cli;
mod commands;
mod data_folder;
mod demo;
mod help;
mod runtime;
mod serve;
mod settings;
mod text;
mod wiring;

pub use data_folder::DataFolder;
pub use serve::{Listeners, Running};
pub use service_runtime::CommandError;
pub use settings::{Settings, server_settings};
pub use wiring::{App, AppParts};
