use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::{LogFormat, LogSettings};

/// Why logs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogFailure {
    #[error("`log.filter` cannot be read")]
    Filter(#[from] ParseError),
    #[error("logs were started already")]
    Twice,
}

/// Starts logging to stderr; stdout is for answers.
pub fn start(settings: &LogSettings) -> Result<(), LogFailure> {
    // The server library tells of its own start at every one; whoever wants to hear it names it in the filter.
    let quiet = if settings.filter.contains("actix_server") {
        ""
    } else {
        ",actix_server=warn"
    };
    let filter = EnvFilter::builder().parse(format!("{}{quiet}", settings.filter))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let started = match settings.format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
    };
    started.map_err(|_| LogFailure::Twice)
}
