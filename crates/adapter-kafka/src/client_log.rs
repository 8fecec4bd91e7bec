use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;

use crate::error::is_away;

/// For so long the same trouble is a warning once.
const QUIET: Duration = Duration::from_mins(1);

/// What librdkafka writes about single connections, at every attempt.
const CONNECTION_LINES: [&str; 3] = ["FAIL", "ERROR", "REQTMOUT"];

/// Carries the words of librdkafka to the log.
///
/// While no broker answers it speaks several times a second: that is one warning a minute, and the rest at trace. What
/// it says of a single connection is at debug.
#[derive(Default)]
pub(crate) struct ClientLog {
    /// By trouble: when it was a warning.
    warned: Mutex<HashMap<String, Instant>>,
}

impl ClientLog {
    fn warn(&self, trouble: &str, line: &str) {
        if self.is_news(trouble, Instant::now()) {
            tracing::warn!(trouble, "kafka: {line}");
        } else {
            tracing::trace!(trouble, "kafka: {line}");
        }
    }

    fn is_news(&self, trouble: &str, now: Instant) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let last = warned.get(trouble);
        let news = last.is_none_or(|last| now.duration_since(*last) >= QUIET);
        if news {
            warned.insert(trouble.to_owned(), now);
        }
        news
    }
}

impl ClientContext for ClientLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, "kafka: {line}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if !CONNECTION_LINES.contains(&facility) => {
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
        } else if is_away(code) && code != RDKafkaErrorCode::AllBrokersDown {
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
                "kafka: offsets are not committed yet"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_warning_a_minute() {
        let (log, start) = (ClientLog::default(), Instant::now());
        assert!(log.is_news("away", start));
        assert!(log.is_news("refused", start));
        assert!(!log.is_news("away", start + QUIET / 2));
        assert!(log.is_news("away", start + QUIET));
        assert!(!log.is_news("away", start + QUIET * 3 / 2));
    }
}
