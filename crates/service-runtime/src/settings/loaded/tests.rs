use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

use serde::Deserialize;
use use_cases::factors::FactorsSettings;

use super::*;
use crate::{KafkaSecurity, LogFormat, LogSettings, SamlSettings};

const TOKENS: &str = include_str!("../../../../service-tokens/config.default.toml");
const ONLY_LOG: &str = "[log]\nformat = \"json\"\nfilter = \"info\"\n";
const FACTORS: &str = include_str!("../../../../service-factors/config.default.toml");

const REQUIRED: [(&str, &str); 6] = [
    ("AUTHME__STORE__MONGODB_URI_FILE", "/run/secrets/mongodb-uri"),
    ("AUTHME__KAFKA__BROKERS", "kafka:9092"),
    ("AUTHME__TOKENS__ISSUER", "https://authme.test"),
    ("AUTHME__TOKENS__AUDIENCE", "authme"),
    ("AUTHME__KEYS__DIRECTORY", "/run/keys"),
    ("AUTHME__SECRETS__REFRESH_FILE", "/run/secrets/refresh-keys"),
];

/// What the service `factors` requires besides.
const SENDING: [(&str, &str); 2] = [
    ("AUTHME__SECRETS__CODES_FILE", "/run/secrets/codes-key"),
    ("AUTHME__DELIVERY__FILE", "/var/lib/codes"),
];

fn environment_of(variables: &[(&str, &str)]) -> Environment {
    let variables: HashMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Environment::with_prefix("AUTHME").source(Some(variables))
}

fn load(binary: Binary, defaults: &str, variables: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
    Loaded::over(binary, defaults, None, environment_of(variables))
}

/// The service `tokens` with all it requires, and more.
fn tokens_with(more: &[(&str, &str)]) -> Loaded {
    load(Binary::Tokens, TOKENS, &[&REQUIRED, more].concat()).unwrap()
}

#[track_caller]
fn unknown(loaded: Result<Loaded, SettingsError>) -> Vec<String> {
    match loaded.unwrap_err() {
        SettingsError::Unknown(unknown) => unknown,
        other => panic!("{other}"),
    }
}

#[derive(Debug, Deserialize)]
struct OnlyLog {
    log: LogSettings,
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authme.conf");
    fs::write(&file, "[log]\nformat = \"text\"\nfilter = \"debug\"\n").unwrap();
    let environment = environment_of(&[("AUTHME__LOG__FILTER", "trace"), ("AUTHME_DATA", "elsewhere")]);
    let loaded = Loaded::over(Binary::Authme, ONLY_LOG, Some(&file), environment).unwrap();
    let log = loaded.read::<OnlyLog>().unwrap().log;
    assert_eq!((log.format, log.filter.as_str()), (LogFormat::Text, "trace"));
}

#[test]
fn every_unknown_setting_is_named_by_its_whole_path() {
    let variables = [
        ("AUTHME__LOG__COLOUR", "red"),
        ("AUTHME__HTTPS__PORT", "1"),
        ("AUTHME__LOG__FORMATS", "json"),
        ("AUTHME__RELAY", "on"),
        ("AUTHME__STORE__MONGODB_URI", "mongodb://ada:hunter2@db"),
    ];
    let refused = load(Binary::Tokens, TOKENS, &variables);
    assert_eq!(
        unknown(refused),
        ["https.port", "log.colour", "log.formats", "relay", "store.mongodb_uri"]
    );
}

#[test]
fn one_file_may_serve_all_services_but_not_the_local_binary() {
    let grace = [("AUTHME__TOKENS__REFRESH_GRACE", "0s")];
    assert!(load(Binary::Factors, FACTORS, &grace).is_ok());
    let database = [("AUTHME__STORE__DATABASE", "other")];
    assert_eq!(unknown(load(Binary::Authme, ONLY_LOG, &database)), ["store.database"]);
}

#[test]
fn every_missing_setting_is_named_with_its_variable() {
    let missing = |binary, defaults, variables: &[(&str, &str)]| match load(binary, defaults, variables)
        .unwrap()
        .service()
        .unwrap_err()
    {
        SettingsError::Missing(missing) => missing,
        other => panic!("{other}"),
    };
    assert_eq!(
        missing(Binary::Tokens, TOKENS, &[("AUTHME__KEYS__URL", "http://tokens/keys")]),
        [
            "store.mongodb_uri_file (AUTHME__STORE__MONGODB_URI_FILE)",
            "kafka.brokers (AUTHME__KAFKA__BROKERS)",
            "tokens.issuer (AUTHME__TOKENS__ISSUER)",
            "tokens.audience (AUTHME__TOKENS__AUDIENCE)",
            "keys.directory (AUTHME__KEYS__DIRECTORY)",
            "secrets.refresh_file (AUTHME__SECRETS__REFRESH_FILE)",
        ]
    );
    assert_eq!(
        missing(Binary::Factors, FACTORS, &REQUIRED[..4]),
        [
            "keys.directory (AUTHME__KEYS__DIRECTORY) or keys.url (AUTHME__KEYS__URL)",
            "secrets.codes_file (AUTHME__SECRETS__CODES_FILE)",
            "smtp.host (AUTHME__SMTP__HOST) or delivery.file (AUTHME__DELIVERY__FILE)",
            "sms.url (AUTHME__SMS__URL) or delivery.file (AUTHME__DELIVERY__FILE)",
        ]
    );
}

#[test]
fn either_source_of_keys_is_enough_for_who_verifies() {
    for keys in [("AUTHME__KEYS__URL", "http://tokens/keys"), REQUIRED[4]] {
        let variables = [&REQUIRED[..4], &SENDING, &[keys]].concat();
        assert!(
            load(Binary::Factors, FACTORS, &variables).unwrap().service().is_ok(),
            "{keys:?}"
        );
    }
}

#[test]
fn what_is_required_is_enough() {
    let loaded = tokens_with(&[]);
    let (service, issuer) = (loaded.service().unwrap(), loaded.issuer().unwrap());
    assert_eq!(service.http.drain, Duration::from_secs(5));
    assert_eq!(service.kafka.security, KafkaSecurity::Plaintext);
    assert!(!service.kafka.allow_insecure && !service.store.allow_insecure && !service.keys.allow_insecure);
    assert_eq!(service.keys.directory.unwrap(), Path::new("/run/keys"));
    assert_eq!(issuer.tokens.refresh_grace, Duration::from_secs(30));
}

#[test]
fn limits_of_codes_that_could_never_work_are_refused() {
    let sender = |more: &[(&str, &str)]| {
        let variables = [&REQUIRED[..5], &SENDING, more].concat();
        load(Binary::Factors, FACTORS, &variables).unwrap().sender()
    };
    let codes = sender(&[]).unwrap().codes;
    assert_eq!(codes.limits(), FactorsSettings::default());
    for (variable, value, told) in [
        ("AUTHME__CODES__LIFETIME", "11m", "codes.lifetime"),
        ("AUTHME__CODES__LIFETIME", "0s", "codes.lifetime"),
        ("AUTHME__CODES__ATTEMPTS_PER_CONTACT", "0", "codes.attempts_per_contact"),
        ("AUTHME__CODES__SENDS_PER_USER", "0", "codes.sends_per_user"),
        ("AUTHME__SECRETS__CODES_FILE", "secret://hunter2", "secrets.codes_file"),
    ] {
        let refused = sender(&[(variable, value)]).unwrap_err();
        assert!(
            matches!(&refused, SettingsError::Unusable { name, .. } if *name == told),
            "{variable}: {refused}"
        );
    }
}

#[test]
fn what_could_never_work_is_refused() {
    for (variable, value, told) in [
        (
            "AUTHME__STORE__MONGODB_URI_FILE",
            "mongodb://ada:hunter2@db",
            "store.mongodb_uri_file",
        ),
        ("AUTHME__STORE__CONNECTIONS", "0", "store.connections"),
        ("AUTHME__RELAY__LEASE", "10ms", "relay.lease"),
        ("AUTHME__KEYS__LONGEST_AGE", "59s", "keys.longest_age"),
        ("AUTHME__KAFKA__PARTITIONS", "0", "kafka.partitions"),
        (
            "AUTHME__KAFKA__CERTIFICATE_FILE",
            "/run/c.pem",
            "kafka.certificate_file",
        ),
        ("AUTHME__KAFKA__CA_FILE", "/run/ca.pem", "kafka.security"),
        ("AUTHME__KAFKA__SASL_USERNAME", "ada", "kafka.security"),
        ("AUTHME__KAFKA__SECURITY", "scram", "kafka.security"),
    ] {
        let refused = tokens_with(&[(variable, value)]).service().unwrap_err();
        assert!(
            matches!(&refused, SettingsError::Unusable { name, .. } if *name == told),
            "{variable}: {refused}"
        );
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
    let too_long = tokens_with(&[("AUTHME__TOKENS__ACCESS_TOKEN_LIFETIME", "2h")]);
    assert!(matches!(too_long.issuer(), Err(SettingsError::Unusable { .. })));
}

#[test]
fn what_is_printed_says_where_it_came_from_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    fs::write(&file, "[http]\ntrusted_proxies = [\"10.0.0.0/8\"]\n").unwrap();
    let variables = [
        ("AUTHME__STORE__MONGODB_URI_FILE", "mongodb://ada:hunter2@db"),
        ("AUTHME__KAFKA__BROKERS", "kafka:9092"),
    ];
    let loaded = Loaded::over(Binary::Tokens, TOKENS, Some(&file), environment_of(&variables)).unwrap();
    let printed = loaded.print();
    let line = |name: &str| printed.lines().find(|line| line.contains(name)).unwrap();
    assert_eq!(line("http.listen"), "http.listen = \"127.0.0.1:8080\"  # from default");
    assert_eq!(line("store.connections"), "store.connections = 64  # from default");
    assert_eq!(
        line("kafka.brokers"),
        "kafka.brokers = \"kafka:9092\"  # from environment AUTHME__KAFKA__BROKERS"
    );
    assert!(line("http.trusted_proxies").starts_with("http.trusted_proxies = [\"10.0.0.0/8\"]  # from file "));
    assert!(line("http.trusted_proxies").ends_with("tokens.toml"));
    assert_eq!(line("kafka.ca_file"), "# kafka.ca_file is not set");
    assert_eq!(
        line("tokens.issuer"),
        "# missing: tokens.issuer (AUTHME__TOKENS__ISSUER)"
    );
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn what_the_register_names_some_type_reads() {
    let loaded = tokens_with(&[]);
    let mut full = config::Config::builder().add_source(loaded.merged);
    for setting in SETTINGS.iter().filter(|setting| setting.is_read_by(Binary::Tokens)) {
        if setting.name.contains("_file") || setting.name.contains("sasl") {
            full = full.set_override(setting.name, "given").unwrap();
        }
    }
    let full = full.build().unwrap();
    let ignored = |read: fn(config::Config, &mut dyn FnMut(String))| {
        let mut ignored = HashSet::new();
        read(full.clone(), &mut |name| {
            ignored.insert(name);
        });
        ignored
    };
    let by_service = ignored(|full, ignored| {
        serde_ignored::deserialize::<_, _, ServiceSettings>(full, |path| ignored(path.to_string()))
            .map(drop)
            .unwrap();
    });
    let by_issuer = ignored(|full, ignored| {
        serde_ignored::deserialize::<_, _, IssuerSettings>(full, |path| ignored(path.to_string()))
            .map(drop)
            .unwrap();
    });
    let by_both: Vec<_> = by_service.intersection(&by_issuer).collect();
    assert!(by_both.is_empty(), "{by_both:?}");
}

#[test]
fn a_hand_off_makes_no_administrators() {
    let with = |role: &str| SamlSettings {
        default_roles: vec!["AUTH-BASIC".to_owned(), role.to_owned()],
    };
    assert!(with("USER").check().is_ok());
    for role in ["ADMIN", "ROLE_IAM_ADMIN_MAINTENANCE", "CLI-1STPARTY", "AUTH-MFA"] {
        let refused = with(role).check().unwrap_err();
        assert!(refused.to_string().contains(role), "{refused}");
    }
}
