use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::FutureProducer;
use rdkafka::types::RDKafkaErrorCode;

use crate::error::is_connection_error;

pub(crate) type Producer = FutureProducer<ClientLog>;

/// The minimum time between two warnings about the same problem: short enough to notice it, and long enough not to
/// flood the log.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// The librdkafka facilities of messages about single connections, which librdkafka logs at every attempt.
const CONNECTION_FACILITIES: [&str; 3] = ["FAIL", "ERROR", "REQTMOUT"];

/// Writes librdkafka's messages to the log.
///
/// While no broker is reachable, librdkafka reports it several times a second. One report a minute is logged as a
/// warning, the others at trace. Reports about a single connection are logged at debug.
#[derive(Default)]
pub(crate) struct ClientLog {
    /// The time at which each problem was last logged as a warning.
    last_warnings: Mutex<HashMap<String, Instant>>,
}

impl ClientLog {
    fn warn(&self, problem: &str, line: &str) {
        if self.take_warning(problem, Instant::now()) {
            tracing::warn!(problem, "kafka: {line}");
        } else {
            tracing::trace!(problem, "kafka: {line}");
        }
    }

    /// Returns whether a warning about the problem is due at `now`, and records it if so.
    fn take_warning(&self, problem: &str, now: Instant) -> bool {
        let mut last_warnings = self.last_warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last_warnings.get(problem);
        let is_due = last.is_none_or(|last| now.duration_since(*last) >= WARNING_INTERVAL);
        if is_due {
            last_warnings.insert(problem.to_owned(), now);
        }
        is_due
    }
}

impl ClientContext for ClientLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, "kafka: {line}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if !CONNECTION_FACILITIES.contains(&facility) => {
                self.warn(facility, line);
            }
            RDKafkaLogLevel::Debug => tracing::trace!(facility, "kafka: {line}"),
            _ => tracing::debug!(facility, "kafka: {line}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if code == RDKafkaErrorCode::Fatal {
            tracing::error!(%code, "kafka: {reason}");
        } else if is_connection_error(code) && code != RDKafkaErrorCode::AllBrokersDown {
            tracing::debug!(%code, "kafka: {reason}");
        } else {
            self.warn(&code.to_string(), reason);
        }
    }
}

impl ConsumerContext for ClientLog {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "kafka: offsets could not be committed yet"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_warns_once_a_minute() {
        let (log, start) = (ClientLog::default(), Instant::now());
        assert!(log.take_warning("unreachable", start));
        assert!(log.take_warning("refused", start));
        assert!(!log.take_warning("unreachable", start + WARNING_INTERVAL / 2));
        assert!(log.take_warning("unreachable", start + WARNING_INTERVAL));
        assert!(!log.take_warning("unreachable", start + WARNING_INTERVAL * 3 / 2));
    }
}
