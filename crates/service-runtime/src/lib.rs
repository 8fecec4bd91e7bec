//! The runtime parts that every process of AuthMe shares: settings, logs, clock, metrics, background loops and
//! shutdown.

mod audit_log;
mod cached_clients;
mod clock;
mod error;
mod listener;
mod logs;
mod loops;
mod settings;
mod stop;
mod telemetry;

pub use audit_log::AuditLog;
pub use cached_clients::CachedClients;
pub use clock::{SystemClock, TokioTimer};
pub use error::CommandError;
pub use listener::listen;
pub use logs::{LogError, LogFormat, LogSettings, announce, start as start_logs};
pub use loops::{Loops, RelaySettings};
pub use settings::{Loaded, Program, Section, SettingsError, UnknownSetting, settings_table};
pub use stop::{Signals, Stop};
pub use telemetry::{PrometheusTelemetry, metrics_table};
