use std::io::{self, IsTerminal as _, Write as _};

use domain::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The log of the process.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "log")]
pub struct LogSettings {
    /// Format of the log: `json` or `text`.
    pub format: LogFormat,
    /// Levels that are logged, for all modules or for one, such as `info` or `info,mongodb=warn`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            filter: "info".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

/// The error of [`start`].
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`log.filter` is not a valid filter")]
    Filter(#[from] ParseError),
    #[error("logging is already started")]
    AlreadyStarted,
}

/// Directives for libraries that the filter does not name. `actix_server` logs every start of a worker at `info`.
/// `actix_http` logs input that is not HTTP at `error`, so any unauthenticated peer could fill the log; the adapter
/// counts such input instead (`authme_http_connection_errors_total`).
const LIBRARY_DIRECTIVES: [(&str, &str); 2] = [
    ("actix_server", ",actix_server=warn"),
    ("actix_http", ",actix_http=off"),
];

/// Starts logging to stderr, because stdout carries the results of commands. Fails if logging is already started.
pub fn start(settings: &LogSettings) -> Result<(), LogError> {
    let mut directives = settings.filter.clone();
    for (library, directive) in LIBRARY_DIRECTIVES {
        if !settings.filter.contains(library) {
            directives.push_str(directive);
        }
    }
    let filter = EnvFilter::builder().parse(directives)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let result = match settings.format {
        LogFormat::Json => subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
    };
    result.map_err(|_| LogError::AlreadyStarted)
}

/// Writes a message to the operator who started the process, regardless of the log filter. It is a line of JSON if the
/// log is JSON and stderr is not a terminal, and plain text otherwise.
pub fn announce(message: &str, settings: &LogSettings, now: Timestamp) {
    let mut stderr = io::stderr().lock();
    let line = match settings.format {
        LogFormat::Json if !stderr.is_terminal() => {
            json!({"timestamp": now, "level": "INFO", "message": message}).to_string()
        }
        LogFormat::Json | LogFormat::Text => message.to_owned(),
    };
    // A closed stderr has no reader, so the process continues without the message.
    let _ = stderr.write_all((line + "\n").as_bytes());
}
