use std::error::Error;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

type Cause = Box<dyn Error + Send + Sync>;

/// An error while creating a Kafka client. Unreachable brokers are not an error, because clients connect in the
/// background.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no broker is named")]
    NoBrokers,
    #[error(
        "events would be sent to the broker `{0}` in plaintext over a network: set `kafka.security` to tls or scram, \
         or `kafka.allow_insecure = true` if the network is trusted"
    )]
    Insecure(String),
    #[error("`kafka.certificate_file` and `kafka.key_file` belong together: give both or neither")]
    IncompleteCertificate,
    #[error(
        "`kafka.security` contradicts the other settings of `kafka`: sasl_… needs scram, certificates need tls or scram"
    )]
    Contradictory,
    #[error(
        "`kafka.security` is scram, which needs `kafka.sasl_mechanism`, `kafka.sasl_username` and \
         `kafka.sasl_password_file`"
    )]
    IncompleteScram,
    #[error("TLS and SCRAM need a build with the feature `kafka-tls`")]
    TlsNotBuiltIn,
    #[error("the setting `{0}` is not valid")]
    Setting(String),
    #[error("the client could not be created")]
    Client(#[source] Cause),
}

impl From<KafkaError> for OpenError {
    fn from(error: KafkaError) -> Self {
        match error {
            // librdkafka's message repeats the value, which may be a secret.
            KafkaError::ClientConfig(_, _, setting, _) => Self::Setting(setting),
            other => Self::Client(Box::new(other)),
        }
    }
}

/// An error while creating or checking topics.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// No broker answered, or none accepted this client's login (the log has the reason). Whether the topics exist is
    /// unknown. A service may still start, because the outboxes keep its events.
    #[error("no broker can be reached")]
    BrokersUnreachable(#[source] Cause),
    #[error("missing topics: {}; run with --create-topics", .0.join(", "))]
    Missing(Vec<&'static str>),
    #[error("a broker rejected the request")]
    Refused(#[source] Cause),
    #[error("the client could not be created")]
    Open(#[from] OpenError),
    #[error("the publisher is closed")]
    Closed,
}

impl From<KafkaError> for TopicsError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::AdminOp(code) | KafkaError::MetadataFetch(code) => code.into(),
            other => Self::Refused(Box::new(other)),
        }
    }
}

impl From<RDKafkaErrorCode> for TopicsError {
    fn from(code: RDKafkaErrorCode) -> Self {
        if is_connection_error(code) {
            Self::BrokersUnreachable(Box::new(code))
        } else {
            Self::Refused(Box::new(code))
        }
    }
}

/// An error while closing the publisher: some events were not acknowledged in time. They are still in their outboxes,
/// so a relay sends them again.
#[derive(Debug, thiserror::Error)]
#[error("not every event was acknowledged in time")]
pub struct CloseError(#[source] pub(crate) Cause);

/// An error of a consumer.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// For example, the topic does not exist, or this client may not read it. The next call continues at the same
    /// offset.
    #[error("the events cannot be read now")]
    Refused(#[source] Cause),
    /// A fatal error, or the consumer is closed. Every further call fails; open another consumer.
    #[error("the consumer has stopped for good")]
    Ended(#[source] Cause),
}

impl From<KafkaError> for ConsumeError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::MessageConsumptionFatal(_) => Self::Ended(Box::new(error)),
            other => Self::Refused(Box::new(other)),
        }
    }
}

/// An error while publishing an event, before it is converted to the port's `PublishError`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProduceError {
    #[error("the publisher is closed")]
    Closed,
    #[error("the queue to the brokers is full")]
    QueueFull,
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Returns whether an error concerns only the connection. librdkafka retries after such errors by itself.
pub(crate) const fn is_connection_error(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::Resolve
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_setting_hides_its_value() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("sasl.mechanisms", "hunter2\0");
        config.set("acks", "hunter2");
        let Err(error) = config.create_native_config() else {
            panic!("both values are invalid");
        };
        let error = OpenError::from(error);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn unreachable_and_rejecting_brokers_are_distinguished() {
        let unreachable = KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut);
        let rejected = KafkaError::AdminOp(RDKafkaErrorCode::ClusterAuthorizationFailed);
        assert!(matches!(unreachable.into(), TopicsError::BrokersUnreachable(_)));
        assert!(matches!(rejected.into(), TopicsError::Refused(_)));
    }

    #[test]
    fn missing_topics_are_listed_with_the_remedy() {
        let missing = TopicsError::Missing(vec!["authme.credential.v1", "authme.session.v1"]);
        insta::assert_snapshot!(
            missing,
            @"missing topics: authme.credential.v1, authme.session.v1; run with --create-topics"
        );
    }
}
