use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::loopback::is_loopback;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::OpenError;

/// The settings of a producer or consumer.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// The `host:port` of one or more brokers, separated by commas. The client learns the other brokers from them.
    pub brokers: String,
    pub security: Security,
    /// Allows plaintext to another machine.
    pub allow_insecure: bool,
    /// The time limit for the acknowledgement of a queued event. Then publishing fails (`message.timeout.ms`).
    pub message_timeout: Duration,
}

impl KafkaSettings {
    /// Returns settings without `allow_insecure` and with a `message_timeout` of 30 seconds, which is long enough for a
    /// broker to restart.
    pub fn new(brokers: impl Into<String>, security: Security) -> Self {
        Self {
            brokers: brokers.into(),
            security,
            allow_insecure: false,
            message_timeout: Duration::from_secs(30),
        }
    }

    /// Returns the configuration that producer and consumer share.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, OpenError> {
        if self.brokers.trim().is_empty() {
            return Err(OpenError::NoBrokers);
        }
        if let Some(broker) = self.exposed_broker() {
            return Err(OpenError::Insecure(broker.to_owned()));
        }
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "authme")
            .set("allow.auto.create.topics", "false")
            // A client reconnects to a restarted broker within a second or two. librdkafka's default is ten seconds.
            .set("reconnect.backoff.max.ms", "1000");
        self.security.apply(&mut config)?;
        Ok(config)
    }
}

impl KafkaSettings {
    /// Returns the first broker on another machine to which plaintext would be sent without `allow_insecure`.
    fn exposed_broker(&self) -> Option<&str> {
        let is_plain = matches!(self.security, Security::Plaintext);
        let mut brokers = self.brokers.split(',').map(str::trim);
        brokers.find(|broker| is_plain && !self.allow_insecure && !is_loopback(host(broker)))
    }
}

/// Returns the host of `host:port`, `[host]:port` or `scheme://host:port`.
fn host(broker: &str) -> &str {
    let address = broker.split_once("://").map_or(broker, |(_, address)| address);
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => address,
    }
}

/// The protection of connections. All but [`Plaintext`](Self::Plaintext) need the feature `kafka-tls`.
#[derive(Debug, Clone)]
pub enum Security {
    /// No encryption and no authentication, for development on one machine.
    Plaintext,
    Tls(TlsSettings),
    /// SASL/SCRAM (RFC 5802) inside TLS.
    Scram {
        login: ScramLogin,
        tls: TlsSettings,
    },
}

/// The certificates of a TLS connection, as PEM files. The host name of a broker is always verified.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// CA certificates for the brokers. `None` uses the certificates of the system.
    pub ca_file: Option<PathBuf>,
    pub client: Option<ClientCertificate>,
}

/// The certificate and private key that the client authenticates with (mutual TLS).
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// The SASL/SCRAM user.
#[derive(Debug, Clone)]
pub struct ScramLogin {
    pub mechanism: ScramMechanism,
    pub username: String,
    pub password: KafkaPassword,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

/// A password for the brokers. Its `Debug` output hides it.
#[derive(Clone)]
pub struct KafkaPassword(String);

impl KafkaPassword {
    /// Takes the password as it is. A caller that reads it from a file trims the line break first.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }
}

impl fmt::Debug for KafkaPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaPassword").finish_non_exhaustive()
    }
}

impl Security {
    fn apply(&self, config: &mut ClientConfig) -> Result<(), OpenError> {
        let (protocol, tls) = match self {
            Self::Plaintext => ("plaintext", None),
            Self::Tls(tls) => ("ssl", Some(tls)),
            Self::Scram { tls, .. } => ("sasl_ssl", Some(tls)),
        };
        if tls.is_some() && !cfg!(feature = "kafka-tls") {
            return Err(OpenError::TlsNotBuiltIn);
        }
        config.set("security.protocol", protocol);
        if let Some(tls) = tls {
            tls.apply(config);
        }
        if let Self::Scram { login, .. } = self {
            login.apply(config);
        }
        Ok(())
    }
}

impl TlsSettings {
    fn apply(&self, config: &mut ClientConfig) {
        let text = |path: &Path| path.display().to_string();
        if let Some(file) = &self.ca_file {
            config.set("ssl.ca.location", text(file));
        }
        if let Some(client) = &self.client {
            config
                .set("ssl.certificate.location", text(&client.certificate_file))
                .set("ssl.key.location", text(&client.key_file));
        }
    }
}

impl ScramLogin {
    fn apply(&self, config: &mut ClientConfig) {
        let mechanism = match self.mechanism {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        };
        config
            .set("sasl.mechanisms", mechanism)
            .set("sasl.username", &self.username)
            .set("sasl.password", &self.password.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scram() -> Security {
        Security::Scram {
            login: ScramLogin {
                mechanism: ScramMechanism::Sha512,
                username: "authme".to_owned(),
                password: KafkaPassword::new("hunter2"),
            },
            tls: TlsSettings {
                ca_file: Some("/etc/kafka/ca.pem".into()),
                client: None,
            },
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let settings = KafkaSettings::new("localhost:9092", scram());
        assert!(!format!("{settings:?}").contains("hunter2"));
        if let Ok(config) = settings.client_config() {
            assert!(!format!("{config:?}").contains("hunter2"));
        }
    }

    #[test]
    fn plaintext_to_another_machine_needs_allow_insecure() {
        let client = |brokers: &str, allow_insecure: bool| {
            let settings = KafkaSettings {
                allow_insecure,
                ..KafkaSettings::new(brokers, Security::Plaintext)
            };
            settings.client_config().map(drop)
        };
        for here in [
            "localhost:9092",
            "127.0.0.1:1, 127.0.0.2:2",
            "[::1]:9092",
            "localhost",
            "PLAINTEXT://127.0.0.1:9092",
        ] {
            assert!(client(here, false).is_ok(), "{here}");
        }
        for there in [
            "kafka:9092",
            "localhost:9092,kafka:9092",
            "10.0.0.1:9092",
            "PLAINTEXT://kafka:9092",
            "127.0.0.1.example.com:9092",
            "kafka",
            "localhost:9092,",
        ] {
            let error = client(there, false).unwrap_err();
            assert!(matches!(error, OpenError::Insecure(_)), "{there}");
            assert!(client(there, true).is_ok(), "{there}");
        }
        assert!(
            KafkaSettings::new("kafka:9092", Security::Tls(TlsSettings::default()))
                .exposed_broker()
                .is_none()
        );
    }

    #[test]
    fn settings_without_a_broker_are_rejected() {
        let settings = KafkaSettings::new(" ", Security::Plaintext);
        assert!(matches!(settings.client_config(), Err(OpenError::NoBrokers)));
    }

    #[cfg(not(feature = "kafka-tls"))]
    #[test]
    fn tls_and_scram_without_their_feature_are_rejected() {
        for security in [Security::Tls(TlsSettings::default()), scram()] {
            let error = KafkaSettings::new("localhost:9092", security)
                .client_config()
                .unwrap_err();
            assert!(error.to_string().contains("kafka-tls"), "{error}");
        }
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn scram_always_uses_tls() {
        let config = KafkaSettings::new("localhost:9092", scram()).client_config().unwrap();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert_eq!(config.get("ssl.ca.location"), Some("/etc/kafka/ca.pem"));
        assert!(config.create_native_config().is_ok());
    }
}
