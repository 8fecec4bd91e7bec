use adapter_crypto::{read_secret_text, require_private};
use adapter_kafka::{
    ClientCertificate, KafkaEventPublisher, KafkaPassword, KafkaSettings, ScramLogin, ScramMechanism, Security,
    TlsSettings,
};
use service_runtime::{CommandError, KafkaSecurity, KafkaSettings as Settings};

/// Creates the producer. Does not connect, so unreachable brokers are not an error.
pub(crate) fn publisher(settings: &Settings) -> Result<KafkaEventPublisher, CommandError> {
    let settings = KafkaSettings {
        allow_insecure: settings.allow_insecure,
        ..KafkaSettings::new(settings.brokers.clone(), security(settings)?)
    };
    KafkaEventPublisher::open(&settings).map_err(CommandError::context("the Kafka producer cannot be created"))
}

fn security(settings: &Settings) -> Result<Security, CommandError> {
    Ok(match settings.security {
        KafkaSecurity::Plaintext => Security::Plaintext,
        KafkaSecurity::Tls => Security::Tls(tls(settings)?),
        KafkaSecurity::Scram => Security::Scram {
            login: login(settings)?,
            tls: tls(settings)?,
        },
    })
}

fn tls(settings: &Settings) -> Result<TlsSettings, CommandError> {
    // librdkafka reads the key itself and does not check its permissions.
    if let Some(key) = &settings.key_file {
        require_private(key).map_err(CommandError::context("`kafka.key_file` cannot be used"))?;
    }
    let client = settings.certificate_file.clone().zip(settings.key_file.clone());
    Ok(TlsSettings {
        ca_file: settings.ca_file.clone(),
        client: client.map(|(certificate_file, key_file)| ClientCertificate {
            certificate_file,
            key_file,
        }),
    })
}

fn login(settings: &Settings) -> Result<ScramLogin, CommandError> {
    let (Some(mechanism), Some(username), Some(file)) = (
        settings.sasl_mechanism.as_deref(),
        settings.sasl_username.clone(),
        settings.sasl_password_file.as_deref(),
    ) else {
        return Err(CommandError::msg(
            "`kafka.security` is scram, which requires `kafka.sasl_mechanism`, `kafka.sasl_username` and `kafka.sasl_password_file`",
        ));
    };
    let mechanism = match mechanism {
        "SCRAM-SHA-256" => ScramMechanism::Sha256,
        "SCRAM-SHA-512" => ScramMechanism::Sha512,
        _ => {
            return Err(CommandError::msg(
                "`kafka.sasl_mechanism` must be SCRAM-SHA-256 or SCRAM-SHA-512",
            ));
        }
    };
    let password =
        read_secret_text(file).map_err(CommandError::context("`kafka.sasl_password_file` cannot be used"))?;
    Ok(ScramLogin {
        mechanism,
        username,
        password: KafkaPassword::new(password.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use adapter_crypto::write_private;

    use super::*;

    fn settings(security: KafkaSecurity) -> Settings {
        Settings {
            brokers: "kafka:9092".to_owned(),
            security,
            allow_insecure: false,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password_file: None,
            partitions: 1,
            replication: 1,
        }
    }

    #[test]
    fn tls_files_are_used_and_the_key_must_be_private() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        write_private(&key, b"a key").unwrap();
        let settings = Settings {
            ca_file: Some(PathBuf::from("/run/ca.pem")),
            certificate_file: Some(PathBuf::from("/run/certificate.pem")),
            key_file: Some(key.clone()),
            ..settings(KafkaSecurity::Tls)
        };
        let Security::Tls(tls) = security(&settings).unwrap() else {
            panic!("not TLS");
        };
        let client = tls.client.unwrap();
        assert_eq!(tls.ca_file.unwrap(), PathBuf::from("/run/ca.pem"));
        assert_eq!(client.certificate_file, PathBuf::from("/run/certificate.pem"));
        assert_eq!(client.key_file, key);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let error = security(&settings).unwrap_err().report();
        assert!(error.contains("kafka.key_file") && error.contains("0644"), "{error}");
    }

    #[test]
    fn plaintext_to_another_host_requires_permission() {
        let error = publisher(&settings(KafkaSecurity::Plaintext)).err().unwrap().report();
        assert!(error.contains("`kafka.allow_insecure = true`"), "{error}");
        let allowed = Settings {
            allow_insecure: true,
            ..settings(KafkaSecurity::Plaintext)
        };
        assert!(publisher(&allowed).is_ok());
    }

    #[test]
    fn the_scram_password_is_read_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        write_private(&password, b"hunter2\n").unwrap();
        let scram = |mechanism: &str| Settings {
            sasl_mechanism: Some(mechanism.to_owned()),
            sasl_username: Some("ada".to_owned()),
            sasl_password_file: Some(password.clone()),
            ..settings(KafkaSecurity::Scram)
        };
        let good = security(&scram("SCRAM-SHA-512")).unwrap();
        assert!(matches!(&good, Security::Scram { login, .. } if login.mechanism == ScramMechanism::Sha512));
        assert!(!format!("{good:?}").contains("hunter2"));
        let error = security(&scram("PLAIN")).unwrap_err().report();
        assert!(error.contains("kafka.sasl_mechanism") && !error.contains("hunter2"));
        assert!(security(&settings(KafkaSecurity::Scram)).is_err());
    }
}
