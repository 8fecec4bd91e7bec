//! AuthMe in one process over SQLite: the three services, and the operator's commands.

pub mod cli;
mod commands;
mod data_folder;
mod demo;
mod help;
mod runtime;
mod serve;
mod text;
mod wiring;

pub use data_folder::DataFolder;
pub use serve::{Listeners, Running, server_settings};
pub use service_runtime::CommandError;
pub use wiring::{App, AppParts};
