use std::error::Error;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

type Cause = Box<dyn Error + Send + Sync>;

/// Why a client of Kafka could not be made. Brokers that are away are no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no broker is named")]
    NoBrokers,
    #[error(
        "events would go to the broker `{0}` in plaintext, over a network: set `kafka.security` to tls or scram, or \
         `kafka.allow_insecure = true` where nobody else is on the network"
    )]
    Insecure(String),
    #[error("TLS and SCRAM need a build with the feature `kafka-tls`")]
    TlsNotBuiltIn,
    #[error("the setting `{0}` is refused")]
    Setting(String),
    #[error("the client could not be made")]
    Client(#[source] Cause),
}

impl From<KafkaError> for OpenError {
    fn from(error: KafkaError) -> Self {
        match error {
            // Its own words repeat the value, which may be a secret.
            KafkaError::ClientConfig(_, _, setting, _) => Self::Setting(setting),
            other => Self::Client(Box::new(other)),
        }
    }
}

/// Why topics could not be made or looked for.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// Nothing is known about the topics: no broker answers, or none lets this client in, which the log tells. A
    /// service may start nevertheless: the outboxes keep its events.
    #[error("no broker can be reached")]
    BrokerAway(#[source] Cause),
    #[error("missing topics: {}; run with --create-topics", .0.join(", "))]
    Missing(Vec<&'static str>),
    #[error("a broker refused")]
    Refused(#[source] Cause),
    #[error("the client could not be made")]
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
        if is_away(code) {
            Self::BrokerAway(Box::new(code))
        } else {
            Self::Refused(Box::new(code))
        }
    }
}

/// Some events had no acknowledgement when the publisher was closed. Their outboxes send them again.
#[derive(Debug, thiserror::Error)]
#[error("not every event was acknowledged in time")]
pub struct CloseError(#[source] pub(crate) Cause);

/// Why there is no next event.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// Such as a topic that is missing or forbidden. Asking again goes on where it stopped.
    #[error("the events cannot be read now")]
    Refused(#[source] Cause),
    /// This consumer reads nothing any more. Open another.
    #[error("the consumer has come to its end")]
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

/// Why an event was not published, before it is said in the words of the port.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProduceError {
    #[error("the publisher is closed")]
    Closed,
    #[error("the queue to the brokers is full")]
    QueueFull,
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Whether an error tells of the connection only. The client goes on trying by itself.
pub(crate) const fn is_away(code: RDKafkaErrorCode) -> bool {
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
    fn a_refused_setting_is_named_without_its_value() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("sasl.mechanisms", "hunter2\0");
        config.set("acks", "hunter2");
        let Err(error) = config.create_native_config() else {
            panic!("neither can be set");
        };
        let failure = OpenError::from(error);
        assert!(!format!("{failure} {failure:?}").contains("hunter2"), "{failure:?}");
    }

    #[test]
    fn a_broker_that_is_away_is_told_from_one_that_refuses() {
        let away = KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut);
        let refused = KafkaError::AdminOp(RDKafkaErrorCode::ClusterAuthorizationFailed);
        assert!(matches!(away.into(), TopicsError::BrokerAway(_)));
        assert!(matches!(refused.into(), TopicsError::Refused(_)));
    }

    #[test]
    fn missing_topics_are_named_with_the_way_out() {
        let missing = TopicsError::Missing(vec!["authme.credential.v1", "authme.session.v1"]);
        insta::assert_snapshot!(
            missing,
            @"missing topics: authme.credential.v1, authme.session.v1; run with --create-topics"
        );
    }
}
