use std::io::{self, IsTerminal as _, Write as _};

use domain::time::Timestamp;
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::{LogFormat, LogSettings};

/// Why logs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`log.filter` cannot be read")]
    Filter(#[from] ParseError),
    #[error("logs were started already")]
    Twice,
}

/// Libraries that are not heard unless the filter names them. The server tells of every start; HTTP tells at `error` of
/// every request that is none, which any stranger can send as often as he likes: the adapter counts those.
const QUIET: [(&str, &str); 2] = [
    ("actix_server", ",actix_server=warn"),
    ("actix_http", ",actix_http=off"),
];

/// Starts logging to stderr; stdout is for answers.
pub fn start(settings: &LogSettings) -> Result<(), LogError> {
    let mut directives = settings.filter.clone();
    for (library, directive) in QUIET {
        if !settings.filter.contains(library) {
            directives.push_str(directive);
        }
    }
    let filter = EnvFilter::builder().parse(directives)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let started = match settings.format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
    };
    started.map_err(|_| LogError::Twice)
}

/// Tells the person who started the process something, whatever the filter says: in words, or as a line of the log where
/// the log is JSON and nobody but a program reads it.
pub fn announce(words: &str, settings: &LogSettings, now: Timestamp) {
    let mut stderr = io::stderr().lock();
    let line = match settings.format {
        LogFormat::Json if !stderr.is_terminal() => {
            json!({"timestamp": now, "level": "INFO", "message": words}).to_string()
        }
        LogFormat::Json | LogFormat::Text => words.to_owned(),
    };
    // Whoever closed it does not want to be told.
    let _ = stderr.write_all((line + "\n").as_bytes());
}
