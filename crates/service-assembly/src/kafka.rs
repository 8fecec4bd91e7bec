use adapter_crypto::{read_secret_text, require_private};
use adapter_kafka::{KafkaEventPublisher, KafkaPassword, KafkaSettings};
use service_runtime::CommandError;

/// Creates the producer. Does not connect, so unreachable brokers are not an error.
pub(crate) fn publisher(settings: &KafkaSettings) -> Result<KafkaEventPublisher, CommandError> {
    let settings = with_secrets(settings)?;
    KafkaEventPublisher::open(&settings).map_err(CommandError::context("the Kafka producer cannot be created"))
}

/// Reads the password, and checks the permissions of the private key, which librdkafka reads without a check.
fn with_secrets(settings: &KafkaSettings) -> Result<KafkaSettings, CommandError> {
    if let Some(key) = &settings.key_file {
        require_private(key).map_err(CommandError::context("`kafka.key_file` cannot be used"))?;
    }
    let password = settings.sasl_password_file.as_deref().map(read_secret_text).transpose();
    let password = password.map_err(CommandError::context("`kafka.sasl_password_file` cannot be used"))?;
    Ok(KafkaSettings {
        sasl_password: password.map(|password| KafkaPassword::new(password.as_str())),
        ..settings.clone()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use adapter_crypto::write_private;
    use adapter_kafka::{ScramMechanism, Security};

    use super::*;

    #[test]
    fn the_key_must_be_private() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        write_private(&key, b"a key").unwrap();
        let settings = KafkaSettings {
            certificate_file: Some("/run/certificate.pem".into()),
            key_file: Some(key.clone()),
            ..KafkaSettings::new("kafka:9092", Security::Tls)
        };
        assert!(with_secrets(&settings).is_ok());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let error = with_secrets(&settings).unwrap_err().report();
        assert!(error.contains("kafka.key_file") && error.contains("0644"), "{error}");
    }

    #[test]
    fn plaintext_to_another_host_requires_permission() {
        let plaintext = KafkaSettings::new("kafka:9092", Security::Plaintext);
        let error = publisher(&plaintext).err().unwrap().report();
        assert!(error.contains("`kafka.allow_insecure = true`"), "{error}");
        let allowed = KafkaSettings {
            allow_insecure: true,
            ..plaintext
        };
        assert!(publisher(&allowed).is_ok());
    }

    #[test]
    fn the_scram_password_is_read_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        write_private(&password, b"hunter2\n").unwrap();
        let scram = KafkaSettings {
            sasl_mechanism: Some(ScramMechanism::Sha512),
            sasl_username: Some("ada".to_owned()),
            sasl_password_file: Some(password),
            ..KafkaSettings::new("kafka:9092", Security::Scram)
        };
        let good = with_secrets(&scram).unwrap();
        assert!(good.sasl_password.is_some());
        assert!(!format!("{good:?}").contains("hunter2"));
        let unreadable = KafkaSettings {
            sasl_password_file: Some(folder.path().join("nowhere")),
            ..scram
        };
        let error = with_secrets(&unreadable).unwrap_err().report();
        assert!(error.contains("kafka.sasl_password_file"), "{error}");
    }
}
