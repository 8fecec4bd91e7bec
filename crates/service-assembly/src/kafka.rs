use adapter_crypto::read_secret_text;
use adapter_kafka::{
    ClientCertificate, KafkaEventPublisher, KafkaPassword, KafkaSettings, ScramLogin, ScramMechanism, Security,
    TlsSettings,
};
use service_runtime::{KafkaSecurity, KafkaSettings as Settings, Refusal};

/// Makes the producer; brokers that are away are no failure.
pub(crate) fn publisher(settings: &Settings) -> Result<KafkaEventPublisher, Refusal> {
    let settings = KafkaSettings::new(settings.brokers.clone(), security(settings)?);
    KafkaEventPublisher::open(&settings).map_err(Refusal::while_doing("the producer of events cannot be made"))
}

fn security(settings: &Settings) -> Result<Security, Refusal> {
    Ok(match settings.security {
        KafkaSecurity::Plaintext => Security::Plaintext,
        KafkaSecurity::Tls => Security::Tls(tls(settings)),
        KafkaSecurity::Scram => Security::Scram {
            login: login(settings)?,
            tls: tls(settings),
        },
    })
}

fn tls(settings: &Settings) -> TlsSettings {
    let client = settings.certificate_file.clone().zip(settings.key_file.clone());
    TlsSettings {
        ca_file: settings.ca_file.clone(),
        client: client.map(|(certificate_file, key_file)| ClientCertificate {
            certificate_file,
            key_file,
        }),
    }
}

fn login(settings: &Settings) -> Result<ScramLogin, Refusal> {
    let (Some(mechanism), Some(username), Some(file)) = (
        settings.sasl_mechanism.as_deref(),
        settings.sasl_username.clone(),
        settings.sasl_password_file.as_deref(),
    ) else {
        return Err(Refusal::because("`kafka.security` is scram, which needs a login"));
    };
    let mechanism = match mechanism {
        "SCRAM-SHA-256" => ScramMechanism::Sha256,
        "SCRAM-SHA-512" => ScramMechanism::Sha512,
        _ => {
            return Err(Refusal::because(
                "`kafka.sasl_mechanism` must be SCRAM-SHA-256 or SCRAM-SHA-512",
            ));
        }
    };
    let password =
        read_secret_text(file).map_err(Refusal::while_doing("the password for the brokers cannot be read"))?;
    Ok(ScramLogin {
        mechanism,
        username,
        password: KafkaPassword::new(password.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn settings(security: KafkaSecurity) -> Settings {
        Settings {
            brokers: "kafka:9092".to_owned(),
            security,
            ca_file: Some(PathBuf::from("/run/ca.pem")),
            certificate_file: Some(PathBuf::from("/run/certificate.pem")),
            key_file: Some(PathBuf::from("/run/key.pem")),
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password_file: None,
            partitions: 1,
            replication: 1,
        }
    }

    #[test]
    fn certificates_are_carried_over() {
        let Security::Tls(tls) = security(&settings(KafkaSecurity::Tls)).unwrap() else {
            panic!("not TLS");
        };
        let client = tls.client.unwrap();
        assert_eq!(tls.ca_file.unwrap(), PathBuf::from("/run/ca.pem"));
        assert_eq!(client.certificate_file, PathBuf::from("/run/certificate.pem"));
        assert_eq!(client.key_file, PathBuf::from("/run/key.pem"));
    }

    #[test]
    fn a_login_is_read_from_its_file_and_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, "hunter2\n").unwrap();
        let with = |mechanism: &str| Settings {
            sasl_mechanism: Some(mechanism.to_owned()),
            sasl_username: Some("ada".to_owned()),
            sasl_password_file: Some(password.clone()),
            ..settings(KafkaSecurity::Scram)
        };
        let good = security(&with("SCRAM-SHA-512")).unwrap();
        assert!(matches!(&good, Security::Scram { login, .. } if login.mechanism == ScramMechanism::Sha512));
        assert!(!format!("{good:?}").contains("hunter2"));
        let refused = security(&with("PLAIN")).unwrap_err().in_words();
        assert!(refused.contains("kafka.sasl_mechanism") && !refused.contains("hunter2"));
        assert!(security(&settings(KafkaSecurity::Scram)).is_err());
    }
}
