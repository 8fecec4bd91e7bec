use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use domain::loopback::is_loopback;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::OpenError;

/// The connections to the Kafka brokers, and the topics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "kafka")]
pub struct KafkaSettings {
    /// `host:port` of one or more Kafka brokers, separated by commas.
    ///
    /// The client learns the other brokers from them.
    pub brokers: String,
    /// Protection of the connections to Kafka: `plaintext`, `tls`, or `scram` (SASL/SCRAM over TLS). `tls` and `scram`
    /// need a build with the feature `kafka-tls`.
    pub security: Security,
    /// `true` accepts `plaintext` to brokers on another machine. An attacker on that network can then read and forge
    /// events.
    pub allow_insecure: bool,
    /// CA certificates (PEM) that verify the brokers. Unset: the system's certificates.
    pub ca_file: Option<PathBuf>,
    /// Client certificate (PEM) for the brokers. Requires `kafka.key_file`.
    pub certificate_file: Option<PathBuf>,
    /// Private key (PEM) of the client certificate.
    pub key_file: Option<PathBuf>,
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`. Required with `scram`.
    pub sasl_mechanism: Option<ScramMechanism>,
    /// User name at the brokers. Required with `scram`.
    pub sasl_username: Option<String>,
    /// File with the password of that user. Required with `scram`.
    pub sasl_password_file: Option<PathBuf>,
    /// Partitions of each topic that `--create-topics` creates. At least 1.
    #[schemars(range(min = 1))]
    pub partitions: i32,
    /// Replication factor of each topic that `--create-topics` creates. At least 1.
    #[schemars(range(min = 1))]
    pub replication: i32,
    /// The content of `sasl_password_file`, which the caller reads.
    #[serde(skip)]
    pub sasl_password: Option<KafkaPassword>,
    /// The time limit for the acknowledgement of a queued event. Then publishing fails (`message.timeout.ms`).
    #[serde(skip)]
    pub message_timeout: Duration,
}

impl Default for KafkaSettings {
    /// Returns settings without brokers and with a `message_timeout` of 30 seconds, which is long enough for a broker to
    /// restart.
    fn default() -> Self {
        Self {
            brokers: String::new(),
            security: Security::Plaintext,
            allow_insecure: false,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password_file: None,
            partitions: 12,
            replication: 3,
            sasl_password: None,
            message_timeout: Duration::from_secs(30),
        }
    }
}

impl KafkaSettings {
    /// Returns the default settings with these brokers.
    pub fn new(brokers: impl Into<String>, security: Security) -> Self {
        Self {
            brokers: brokers.into(),
            security,
            ..Self::default()
        }
    }

    /// Returns the configuration that producer and consumer share.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, OpenError> {
        self.check()?;
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "authme")
            .set("allow.auto.create.topics", "false")
            // A client reconnects to a restarted broker within a second or two. librdkafka's default is ten seconds.
            .set("reconnect.backoff.max.ms", "1000")
            .set("security.protocol", self.security.protocol());
        self.set_certificates(&mut config);
        self.set_login(&mut config)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), OpenError> {
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return Err(OpenError::IncompleteCertificate);
        }
        let has_certificates = self.ca_file.is_some() || self.certificate_file.is_some();
        let has_login =
            self.sasl_mechanism.is_some() || self.sasl_username.is_some() || self.sasl_password_file.is_some();
        let is_contradictory = match self.security {
            Security::Plaintext => has_login || has_certificates,
            Security::Tls => has_login,
            Security::Scram => false,
        };
        if is_contradictory {
            return Err(OpenError::Contradictory);
        }
        if self.brokers.trim().is_empty() {
            return Err(OpenError::NoBrokers);
        }
        if let Some(broker) = self.exposed_broker() {
            return Err(OpenError::Insecure(broker.to_owned()));
        }
        if self.security != Security::Plaintext && !cfg!(feature = "kafka-tls") {
            return Err(OpenError::TlsNotBuiltIn);
        }
        Ok(())
    }

    /// Returns the first broker on another machine to which plaintext would be sent without `allow_insecure`.
    fn exposed_broker(&self) -> Option<&str> {
        let is_plain = self.security == Security::Plaintext;
        let mut brokers = self.brokers.split(',').map(str::trim);
        brokers.find(|broker| is_plain && !self.allow_insecure && !is_loopback(host(broker)))
    }

    fn set_certificates(&self, config: &mut ClientConfig) {
        let files = [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ];
        for (key, file) in files {
            if let Some(file) = file {
                config.set(key, file.display().to_string());
            }
        }
    }

    fn set_login(&self, config: &mut ClientConfig) -> Result<(), OpenError> {
        if self.security != Security::Scram {
            return Ok(());
        }
        let (Some(mechanism), Some(username), Some(password)) =
            (self.sasl_mechanism, &self.sasl_username, &self.sasl_password)
        else {
            return Err(OpenError::IncompleteScram);
        };
        config
            .set("sasl.mechanisms", mechanism.name())
            .set("sasl.username", username)
            .set("sasl.password", &password.0);
        Ok(())
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

/// The protection of connections: none, for development on one machine; TLS; or SASL/SCRAM (RFC 5802) inside TLS. The host
/// name of a broker is always verified. All but [`Plaintext`](Self::Plaintext) need the feature `kafka-tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    Plaintext,
    Tls,
    Scram,
}

impl Security {
    const fn protocol(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "ssl",
            Self::Scram => "sasl_ssl",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScramMechanism {
    #[serde(rename = "SCRAM-SHA-256")]
    Sha256,
    #[serde(rename = "SCRAM-SHA-512")]
    Sha512,
}

impl ScramMechanism {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scram() -> KafkaSettings {
        KafkaSettings {
            ca_file: Some("/etc/kafka/ca.pem".into()),
            sasl_mechanism: Some(ScramMechanism::Sha512),
            sasl_username: Some("authme".to_owned()),
            sasl_password_file: Some("/run/password".into()),
            sasl_password: Some(KafkaPassword::new("hunter2")),
            ..KafkaSettings::new("localhost:9092", Security::Scram)
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let settings = scram();
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
            KafkaSettings::new("kafka:9092", Security::Tls)
                .exposed_broker()
                .is_none()
        );
    }

    #[test]
    fn settings_without_a_broker_are_rejected() {
        let settings = KafkaSettings::new(" ", Security::Plaintext);
        assert!(matches!(settings.client_config(), Err(OpenError::NoBrokers)));
    }

    #[test]
    fn settings_that_contradict_each_other_are_rejected() {
        let plaintext = || KafkaSettings::new("localhost:9092", Security::Plaintext);
        let error = |settings: KafkaSettings| settings.client_config().unwrap_err();
        let certificate_without_key = KafkaSettings {
            certificate_file: Some("/run/c.pem".into()),
            ..plaintext()
        };
        assert!(matches!(
            error(certificate_without_key),
            OpenError::IncompleteCertificate
        ));
        let certificates_in_plaintext = KafkaSettings {
            ca_file: Some("/run/ca.pem".into()),
            ..plaintext()
        };
        let login_in_plaintext = KafkaSettings {
            sasl_username: Some("ada".to_owned()),
            ..plaintext()
        };
        let login_with_tls = KafkaSettings {
            security: Security::Tls,
            ..login_in_plaintext.clone()
        };
        for settings in [certificates_in_plaintext, login_in_plaintext, login_with_tls] {
            assert!(matches!(error(settings), OpenError::Contradictory));
        }
        let without_username = KafkaSettings {
            sasl_username: None,
            ..scram()
        };
        let error = without_username.set_login(&mut ClientConfig::new()).unwrap_err();
        assert!(matches!(error, OpenError::IncompleteScram));
    }

    #[test]
    fn certificates_are_configured() {
        let settings = KafkaSettings {
            certificate_file: Some("/run/certificate.pem".into()),
            key_file: Some("/run/key.pem".into()),
            ..scram()
        };
        let mut config = ClientConfig::new();
        settings.set_certificates(&mut config);
        assert_eq!(config.get("ssl.ca.location"), Some("/etc/kafka/ca.pem"));
        assert_eq!(config.get("ssl.certificate.location"), Some("/run/certificate.pem"));
        assert_eq!(config.get("ssl.key.location"), Some("/run/key.pem"));
    }

    #[test]
    fn a_mechanism_has_the_name_of_its_setting() {
        for mechanism in [ScramMechanism::Sha256, ScramMechanism::Sha512] {
            assert_eq!(serde_json::to_value(mechanism).unwrap(), mechanism.name());
        }
    }

    #[cfg(not(feature = "kafka-tls"))]
    #[test]
    fn tls_and_scram_without_their_feature_are_rejected() {
        for settings in [KafkaSettings::new("localhost:9092", Security::Tls), scram()] {
            let error = settings.client_config().unwrap_err();
            assert!(error.to_string().contains("kafka-tls"), "{error}");
        }
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn scram_always_uses_tls() {
        let config = scram().client_config().unwrap();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert_eq!(config.get("ssl.ca.location"), Some("/etc/kafka/ca.pem"));
        assert!(config.create_native_config().is_ok());
    }
}
