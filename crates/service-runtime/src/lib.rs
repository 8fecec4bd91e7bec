//! What every process of AuthMe runs on: settings, logs, clock, figures, loops and an orderly stop.

mod clock;
mod logs;
mod loops;
mod remembered_clients;
mod settings;
mod stop;
mod telemetry;

pub use clock::SystemClock;
pub use logs::{LogFailure, start as start_logs};
pub use loops::Loops;
pub use remembered_clients::RememberedClients;
pub use settings::{
    HttpSettings, KeySettings, LogFormat, LogSettings, SamlSettings, Settings, SettingsFailure, TokenSettings, load,
};
pub use stop::{Signals, Stop};
pub use telemetry::PrometheusTelemetry;
