use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::sections::{check_at_least_a_second, deserialize_duration};
use super::{
    CodeSettings, HttpSettings, KeySettings, LimitSettings, LogSettings, LoginSettings, SamlSettings, SettingsError,
    TokenSettings,
};

/// The minimum of `keys.longest_age`: ten times the fetch interval, so that a few failed fetches do not cause an
/// outage.
const MIN_KEY_SET_AGE: Duration = Duration::from_mins(1);

/// The settings that every deployed service reads.
#[derive(Debug, Clone, Deserialize)]
pub struct ServiceSettings {
    pub http: HttpSettings,
    pub limits: LimitSettings,
    pub store: StoreSettings,
    pub kafka: KafkaSettings,
    pub tokens: AcceptedTokenSettings,
    pub keys: KeySourceSettings,
    pub relay: RelaySettings,
    pub log: LogSettings,
}

/// The further settings of the service `tokens`.
#[derive(Debug, Clone, Deserialize)]
pub struct IssuerSettings {
    pub tokens: TokenSettings,
    pub saml: SamlSettings,
    pub login: LoginSettings,
    pub keys: KeySettings,
    pub secrets: SecretSettings,
}

/// The further settings of the service `factors`.
#[derive(Debug, Clone, Deserialize)]
pub struct SenderSettings {
    pub codes: CodeSettings,
    pub secrets: CodeSecretSettings,
}

#[derive(Debug, Clone, Deserialize)]
pub struct StoreSettings {
    /// The path of a file, because the URI may hold a password.
    pub mongodb_uri_file: PathBuf,
    /// `true` if a store on another machine may be reached without TLS, or with TLS that does not verify certificates.
    pub allow_insecure: bool,
    pub database: String,
    pub connections: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct KafkaSettings {
    pub brokers: String,
    pub security: KafkaSecurity,
    /// `true` if brokers on another machine may be reached in plaintext.
    pub allow_insecure: bool,
    pub ca_file: Option<PathBuf>,
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub sasl_mechanism: Option<String>,
    pub sasl_username: Option<String>,
    pub sasl_password_file: Option<PathBuf>,
    /// The number of partitions of a topic that `--create-topics` creates.
    pub partitions: i32,
    pub replication: i32,
}

/// The protection of the connections to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaSecurity {
    Plaintext,
    Tls,
    /// SASL/SCRAM inside TLS.
    Scram,
}

/// The claims that an accepted token must have.
#[derive(Debug, Clone, Deserialize)]
pub struct AcceptedTokenSettings {
    pub issuer: String,
    pub audience: String,
    pub typ: String,
    #[serde(deserialize_with = "deserialize_duration")]
    pub longest_access_token_lifetime: Duration,
}

/// The source of signing keys: a directory of private keys, or the key set of the service `tokens`. A service that only
/// verifies prefers the key set.
#[derive(Debug, Clone, Deserialize)]
pub struct KeySourceSettings {
    pub directory: Option<PathBuf>,
    pub url: Option<String>,
    pub ca_file: Option<PathBuf>,
    /// `true` if `url` may be plain HTTP to another machine. Only services that read `url` have this setting and the
    /// next one.
    #[serde(default)]
    pub allow_insecure: bool,
    /// The age at which a key set that could not be fetched again is dropped.
    #[serde(default = "default_longest_age", deserialize_with = "deserialize_duration")]
    pub longest_age: Duration,
}

const fn default_longest_age() -> Duration {
    Duration::from_hours(1)
}

#[derive(Debug, Clone, Deserialize)]
pub struct SecretSettings {
    pub refresh_file: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub struct CodeSecretSettings {
    pub codes_file: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RelaySettings {
    /// The time after which another process takes over the outbox of a relay that stopped.
    #[serde(deserialize_with = "deserialize_duration")]
    pub lease: Duration,
}

impl ServiceSettings {
    /// Rejects unusable values.
    pub fn validate(self) -> Result<Self, SettingsError> {
        self.http.check()?;
        check_path("store.mongodb_uri_file", &self.store.mongodb_uri_file)?;
        check_at_least_a_second("relay.lease", self.relay.lease)?;
        check_at_least_a_second(
            "tokens.longest_access_token_lifetime",
            self.tokens.longest_access_token_lifetime,
        )?;
        if self.keys.longest_age < MIN_KEY_SET_AGE {
            return Err(SettingsError::unusable("keys.longest_age", "must be at least 1m"));
        }
        if self.store.connections == 0 {
            return Err(SettingsError::unusable("store.connections", "must be at least 1"));
        }
        self.kafka.check()?;
        Ok(self)
    }
}

impl IssuerSettings {
    /// Rejects unusable values.
    pub fn validate(self) -> Result<Self, SettingsError> {
        self.tokens.check()?;
        self.saml.check()?;
        check_path("secrets.refresh_file", &self.secrets.refresh_file)?;
        Ok(self)
    }
}

impl SenderSettings {
    /// Rejects unusable values.
    pub fn validate(self) -> Result<Self, SettingsError> {
        self.codes.check()?;
        check_path("secrets.codes_file", &self.secrets.codes_file)?;
        Ok(self)
    }
}

impl KafkaSettings {
    fn check(&self) -> Result<(), SettingsError> {
        for (name, number) in [
            ("kafka.partitions", self.partitions),
            ("kafka.replication", self.replication),
        ] {
            if number < 1 {
                return Err(SettingsError::unusable(name, "must be at least 1"));
            }
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            let what = "and `kafka.key_file` belong together: give both or neither";
            return Err(SettingsError::unusable("kafka.certificate_file", what));
        }
        let tls = [&self.ca_file, &self.certificate_file, &self.key_file];
        let sasl = [
            self.sasl_mechanism.is_some(),
            self.sasl_username.is_some(),
            self.sasl_password_file.is_some(),
        ];
        let is_contradictory = match self.security {
            KafkaSecurity::Plaintext => sasl.contains(&true) || tls.iter().any(|file| file.is_some()),
            KafkaSecurity::Tls => sasl.contains(&true),
            KafkaSecurity::Scram => false,
        };
        if is_contradictory {
            let what = "contradicts the other settings of `kafka`: sasl_… needs scram, certificates need tls or scram";
            return Err(SettingsError::unusable("kafka.security", what));
        }
        if self.security == KafkaSecurity::Scram && sasl.contains(&false) {
            let what = "is scram, which needs kafka.sasl_mechanism, kafka.sasl_username and kafka.sasl_password_file";
            return Err(SettingsError::unusable("kafka.security", what));
        }
        Ok(())
    }
}

/// Rejects a URI in place of a path. Otherwise a later error message would repeat the secret in it.
fn check_path(name: &'static str, path: &Path) -> Result<(), SettingsError> {
    if path.to_string_lossy().contains("://") {
        return Err(SettingsError::unusable(
            name,
            "must be the path of a file that holds the secret, not the secret",
        ));
    }
    Ok(())
}
