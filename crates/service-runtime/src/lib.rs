//! What every process of AuthMe runs on: settings, logs, clock, figures, loops and an orderly stop.

mod audit_log;
mod clock;
mod logs;
mod loops;
mod refusal;
mod remembered_clients;
mod settings;
mod stop;
mod telemetry;

pub use audit_log::AuditLog;
pub use clock::SystemClock;
pub use logs::{LogFailure, announce, start as start_logs};
pub use loops::Loops;
pub use refusal::Refusal;
pub use remembered_clients::RememberedClients;
pub use settings::{
    AcceptedTokenSettings, Binary, CodeSecretSettings, CodeSettings, HttpSettings, IssuerSettings, KafkaSecurity,
    KafkaSettings, KeySettings, KeySourceSettings, LimitSettings, Loaded, LogFormat, LogSettings, LoginSettings,
    RelaySettings, SamlSettings, SecretSettings, SenderSettings, ServiceSettings, Settings, SettingsFailure,
    StoreSettings, TokenSettings, load, settings_table,
};
pub use stop::{Signals, Stop};
pub use telemetry::{PrometheusTelemetry, metrics_table};
