use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::loopback::is_loopback;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::OpenError;

/// Where the brokers are and how they are spoken to.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `host:port` of one or more brokers, separated by commas. They name the others.
    pub brokers: String,
    pub security: Security,
    /// Plaintext to another machine as well.
    pub allow_insecure: bool,
    /// How long a queued event may wait for its acknowledgement before its publishing fails.
    pub message_timeout: Duration,
}

impl KafkaSettings {
    /// An event waits for 30 seconds, unless `message_timeout` is changed. Plaintext goes to this machine itself only,
    /// unless `allow_insecure` is set.
    pub fn new(brokers: impl Into<String>, security: Security) -> Self {
        Self {
            brokers: brokers.into(),
            security,
            allow_insecure: false,
            message_timeout: Duration::from_secs(30),
        }
    }

    /// What producer and consumer have in common.
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
            // Brokers that are back are found within a second or two; ten is the library's own.
            .set("reconnect.backoff.max.ms", "1000");
        self.security.apply(&mut config)?;
        Ok(config)
    }
}

impl KafkaSettings {
    /// The first broker that everything would be sent to in the clear, over a network, without leave.
    fn exposed_broker(&self) -> Option<&str> {
        let is_plain = matches!(self.security, Security::Plaintext);
        let mut brokers = self.brokers.split(',').map(str::trim);
        brokers.find(|broker| is_plain && !self.allow_insecure && !is_loopback(host(broker)))
    }
}

/// The host of `host:port`, `[host]:port` or `scheme://host:port`.
fn host(broker: &str) -> &str {
    let address = broker.split_once("://").map_or(broker, |(_, address)| address);
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => address,
    }
}

/// How connections are protected. Anything but [`Plaintext`](Self::Plaintext) needs the feature `kafka-tls`.
#[derive(Debug, Clone)]
pub enum Security {
    /// Neither secret nor authenticated: for a laptop.
    Plaintext,
    Tls(TlsSettings),
    /// SASL/SCRAM (RFC 5802) inside TLS.
    Scram {
        login: ScramLogin,
        tls: TlsSettings,
    },
}

/// The certificates of a TLS connection, as PEM files. The name of a broker is always checked.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// Who may have signed the brokers' certificates; unless given, whom the system trusts.
    pub ca_file: Option<PathBuf>,
    pub client: Option<ClientCertificate>,
}

/// What a client shows to brokers that ask for a certificate.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// A user of the brokers.
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

/// A password for the brokers. It prints nothing.
#[derive(Clone)]
pub struct KafkaPassword(String);

impl KafkaPassword {
    /// Takes the password as it is: the end of a file's line is no part of it.
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
        let shown = |path: &Path| path.display().to_string();
        if let Some(file) = &self.ca_file {
            config.set("ssl.ca.location", shown(file));
        }
        if let Some(client) = &self.client {
            config
                .set("ssl.certificate.location", shown(&client.certificate_file))
                .set("ssl.key.location", shown(&client.key_file));
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
    fn a_password_prints_nothing() {
        let settings = KafkaSettings::new("localhost:9092", scram());
        assert!(!format!("{settings:?}").contains("hunter2"));
        if let Ok(config) = settings.client_config() {
            assert!(!format!("{config:?}").contains("hunter2"));
        }
    }

    #[test]
    fn plaintext_stays_on_this_machine_unless_it_may_leave() {
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
            let refused = client(there, false).unwrap_err();
            assert!(matches!(refused, OpenError::Insecure(_)), "{there}");
            assert!(client(there, true).is_ok(), "{there}");
        }
        assert!(
            KafkaSettings::new("kafka:9092", Security::Tls(TlsSettings::default()))
                .exposed_broker()
                .is_none()
        );
    }

    #[test]
    fn somebody_must_be_asked() {
        let settings = KafkaSettings::new(" ", Security::Plaintext);
        assert!(matches!(settings.client_config(), Err(OpenError::NoBrokers)));
    }

    #[cfg(not(feature = "kafka-tls"))]
    #[test]
    fn tls_and_scram_name_the_feature_that_they_need() {
        for security in [Security::Tls(TlsSettings::default()), scram()] {
            let failure = KafkaSettings::new("localhost:9092", security)
                .client_config()
                .unwrap_err();
            assert!(failure.to_string().contains("kafka-tls"), "{failure}");
        }
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn a_login_goes_inside_tls() {
        let config = KafkaSettings::new("localhost:9092", scram()).client_config().unwrap();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert_eq!(config.get("ssl.ca.location"), Some("/etc/kafka/ca.pem"));
        assert!(config.create_native_config().is_ok());
    }
}
