//! AuthMe in one process over SQLite: the three services, and the operator's commands.

pub mod cli;
mod commands;
mod demo;
mod help;
mod runtime;
pub mod scenario;
mod serve;
mod settings;
mod text;

pub use service_runtime::CommandError;
pub use settings::default_settings;
