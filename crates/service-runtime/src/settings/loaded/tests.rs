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

/// The further settings that the service `factors` requires.
const SENDER: [(&str, &str); 2] = [
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
    Loaded::merge(binary, defaults, None, environment_of(variables))
}

/// Loads the settings of the service `tokens`: the required ones and more.
fn tokens_with(more: &[(&str, &str)]) -> Loaded {
    load(Binary::Tokens, TOKENS, &[&REQUIRED, more].concat()).unwrap()
}

#[track_caller]
fn unknown_names(loaded: Result<Loaded, SettingsError>) -> Vec<String> {
    match loaded.unwrap_err() {
        SettingsError::Unknown(unknown) => unknown.iter().map(|unknown| unknown.name().to_owned()).collect(),
        other => panic!("{other}"),
    }
}

#[derive(Debug, Deserialize)]
struct OnlyLog {
    log: LogSettings,
}

#[test]
fn environment_overrides_file_and_file_overrides_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authme.conf");
    fs::write(&file, "[log]\nformat = \"text\"\nfilter = \"debug\"\n").unwrap();
    let environment = environment_of(&[("AUTHME__LOG__FILTER", "trace"), ("AUTHME_DATA", "elsewhere")]);
    let loaded = Loaded::merge(Binary::Authme, ONLY_LOG, Some(&file), environment).unwrap();
    let log = loaded.read::<OnlyLog>().unwrap().log;
    assert_eq!((log.format, log.filter.as_str()), (LogFormat::Text, "trace"));
}

#[test]
fn unknown_settings_are_named_by_their_whole_path() {
    let variables = [
        ("AUTHME__LOG__COLOUR", "red"),
        ("AUTHME__HTTPS__PORT", "1"),
        ("AUTHME__LOG__FORMATS", "json"),
        ("AUTHME__RELAY", "on"),
        ("AUTHME__STORE__MONGODB_URI", "mongodb://ada:hunter2@db"),
    ];
    let loaded = load(Binary::Tokens, TOKENS, &variables);
    assert_eq!(
        unknown_names(loaded),
        ["https.port", "log.colour", "log.formats", "relay", "store.mongodb_uri"]
    );
}

#[test]
fn an_unknown_setting_is_reported_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    fs::write(&file, "[tokens]\nacces_token_lifetime = \"5m\"\n").unwrap();
    let report = |file: Option<&Path>, variables: &[(&str, &str)]| {
        let loaded = Loaded::merge(Binary::Tokens, TOKENS, file, environment_of(variables));
        loaded.unwrap_err().to_string()
    };
    let lifetime = ("AUTHME__TOKENS__ACCES_TOKEN_LIFETIME", "5m");
    let listen = ("AUTHME__HTP__LISTEN", "127.0.0.1:1");
    assert_eq!(
        report(Some(&file), &[]),
        "unknown setting `tokens.acces_token_lifetime`; did you mean `tokens.access_token_lifetime`?"
    );
    assert_eq!(
        report(None, &[lifetime]),
        "unknown environment variable `AUTHME__TOKENS__ACCES_TOKEN_LIFETIME`; \
         did you mean `AUTHME__TOKENS__ACCESS_TOKEN_LIFETIME`?"
    );
    assert_eq!(
        report(Some(&file), &[listen, ("AUTHME__RELAY", "on")]),
        "unknown setting: `tokens.acces_token_lifetime` (did you mean `tokens.access_token_lifetime`?); \
         unknown environment variables: `AUTHME__HTP__LISTEN` (did you mean `AUTHME__HTTP__LISTEN`?), \
         `AUTHME__RELAY` (it is a section, and its settings need names)"
    );
    assert_eq!(
        report(None, &[("AUTHME__FOO__BAR", "1")]),
        "unknown environment variable `AUTHME__FOO__BAR`; no setting has a similar name"
    );
    let database = [("AUTHME__STORE__DATABASE", "other")];
    assert_eq!(
        load(Binary::Authme, ONLY_LOG, &database).unwrap_err().to_string(),
        "unknown environment variable `AUTHME__STORE__DATABASE`; only other programs of AuthMe read it"
    );
}

/// Reports the error of the service `tokens` with a file and variables.
fn report_error(text: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    fs::write(&file, text).unwrap();
    let environment = environment_of(&[&REQUIRED, variables].concat());
    let loaded = Loaded::merge(Binary::Tokens, TOKENS, Some(&file), environment).unwrap();
    let settings = loaded.service().map(drop).and_then(|()| loaded.issuer().map(drop));
    settings.unwrap_err().to_string()
}

#[test]
fn a_wrong_value_is_reported_with_its_variable() {
    for (variable, value, expected) in [
        (
            "HTTP__WORKERS",
            "many",
            "`http.workers` must be a whole number, not \"many\"",
        ),
        (
            "HTTP__DOCS",
            "perhaps",
            "`http.docs` must be `true` or `false`, not \"perhaps\"",
        ),
        (
            "HTTP__DRAIN",
            "soon",
            "`http.drain` must be a duration, such as 30s, 5m or 24h, not \"soon\"",
        ),
        (
            "KAFKA__PARTITIONS",
            "5000000000",
            "`kafka.partitions` must be a whole number, within the range of the setting, not \"5000000000\"",
        ),
        (
            "LOGIN__FAILURES_PER_PEER",
            "0",
            "`login.failures_per_peer` must be a whole number of at least 1, not \"0\"",
        ),
        (
            "LOG__FORMAT",
            "xml",
            "`log.format` must be `json` or `text`, not \"xml\"",
        ),
        (
            "KAFKA__SECURITY",
            "ssl",
            "`kafka.security` must be `plaintext`, `tls` or `scram`, not \"ssl\"",
        ),
        (
            "HTTP__TRUSTED_PROXIES",
            "10.0.0.0/8",
            "`http.trusted_proxies` must be a list, which only a file can give, not \"10.0.0.0/8\"",
        ),
        (
            "TOKENS__ACCESS_TOKEN_LIFETIME",
            "hunter2",
            "`tokens.access_token_lifetime` must be a duration, such as 30s, 5m or 24h, not this string",
        ),
        (
            "HTTP__DRAIN",
            "mongodb://ada:hunter2@db",
            "`http.drain` must be a duration, such as 30s, 5m or 24h, not (not shown: it may hold a password)",
        ),
    ] {
        let variable = format!("AUTHME__{variable}");
        assert_eq!(
            report_error("", &[(&variable, value)]),
            format!("{expected} (variable {variable})")
        );
    }
}

#[test]
fn a_wrong_value_is_reported_with_its_file() {
    for (text, expected) in [
        (
            "http = { workers = [1] }",
            "`http.workers` must be a whole number, not a list (file ",
        ),
        (
            "http = { trusted_proxies = [{}] }",
            "`http.trusted_proxies` must be a list in which each element is a string, not this list (file ",
        ),
        (
            "kafka = { sasl_password_file = { hunter2 = 'hunter2' } }",
            "`kafka.sasl_password_file` must be a string, not a section (file ",
        ),
    ] {
        let error = report_error(text, &[]);
        assert!(
            error.starts_with(expected) && error.ends_with("tokens.toml)"),
            "{error}"
        );
    }
}

#[test]
fn every_choice_of_the_catalog_is_accepted() {
    for (name, variable) in [
        ("kafka.security", "AUTHME__KAFKA__SECURITY"),
        ("log.format", "AUTHME__LOG__FORMAT"),
    ] {
        for choice in find(name).unwrap().choices {
            let settings = tokens_with(&[(variable, choice)]).read::<ServiceSettings>();
            assert!(settings.is_ok(), "{name} {choice}: {settings:?}");
        }
    }
}

#[test]
fn an_unreadable_file_is_reported_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    fs::write(&file, "[smtp]\npassword = hunter2\n").unwrap();
    let error = Loaded::merge(Binary::Tokens, TOKENS, Some(&file), environment_of(&[])).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("the settings cannot be read: "), "{error}");
    assert!(
        error.contains("tokens.toml: TOML parse error at line 2, column 12"),
        "{error}"
    );
    assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    let missing = folder.path().join("nowhere.toml");
    let error = Loaded::merge(Binary::Tokens, TOKENS, Some(&missing), environment_of(&[])).unwrap_err();
    assert!(error.to_string().contains("nowhere.toml"), "{error}");
}

#[test]
fn one_file_can_configure_all_services_but_not_authme() {
    let grace = [("AUTHME__TOKENS__REFRESH_GRACE", "0s")];
    assert!(load(Binary::Factors, FACTORS, &grace).is_ok());
    let database = [("AUTHME__STORE__DATABASE", "other")];
    assert_eq!(
        unknown_names(load(Binary::Authme, ONLY_LOG, &database)),
        ["store.database"]
    );
}

#[test]
fn missing_settings_are_named_with_their_variables() {
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
fn a_verifier_needs_only_one_source_of_keys() {
    for keys in [("AUTHME__KEYS__URL", "http://tokens/keys"), REQUIRED[4]] {
        let variables = [&REQUIRED[..4], &SENDER, &[keys]].concat();
        assert!(
            load(Binary::Factors, FACTORS, &variables).unwrap().service().is_ok(),
            "{keys:?}"
        );
    }
}

#[test]
fn required_settings_are_sufficient() {
    let loaded = tokens_with(&[]);
    let (service, issuer) = (loaded.service().unwrap(), loaded.issuer().unwrap());
    assert_eq!(service.http.drain, Duration::from_secs(5));
    assert_eq!(service.kafka.security, KafkaSecurity::Plaintext);
    assert!(!service.kafka.allow_insecure && !service.store.allow_insecure && !service.keys.allow_insecure);
    assert_eq!(service.keys.directory.unwrap(), Path::new("/run/keys"));
    assert_eq!(issuer.tokens.refresh_grace, Duration::from_secs(30));
}

#[test]
fn unusable_code_limits_are_rejected() {
    let sender = |more: &[(&str, &str)]| {
        let variables = [&REQUIRED[..5], &SENDER, more].concat();
        load(Binary::Factors, FACTORS, &variables).unwrap().sender()
    };
    let codes = sender(&[]).unwrap().codes;
    assert_eq!(codes.limits(), FactorsSettings::default());
    for (variable, value, setting) in [
        ("AUTHME__CODES__LIFETIME", "11m", "codes.lifetime"),
        ("AUTHME__CODES__LIFETIME", "0s", "codes.lifetime"),
        ("AUTHME__CODES__ATTEMPTS_PER_CONTACT", "0", "codes.attempts_per_contact"),
        ("AUTHME__CODES__SENDS_PER_USER", "0", "codes.sends_per_user"),
        ("AUTHME__SECRETS__CODES_FILE", "secret://hunter2", "secrets.codes_file"),
    ] {
        let error = sender(&[(variable, value)]).unwrap_err();
        assert!(
            matches!(&error, SettingsError::Unusable { name, .. } if *name == setting),
            "{variable}: {error}"
        );
    }
}

#[test]
fn unusable_settings_are_rejected() {
    for (variable, value, setting) in [
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
        let error = tokens_with(&[(variable, value)]).service().unwrap_err();
        assert!(
            matches!(&error, SettingsError::Unusable { name, .. } if *name == setting),
            "{variable}: {error}"
        );
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let too_long = tokens_with(&[("AUTHME__TOKENS__ACCESS_TOKEN_LIFETIME", "2h")]);
    assert!(matches!(too_long.issuer(), Err(SettingsError::Unusable { .. })));
}

#[test]
fn print_shows_sources_and_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    fs::write(&file, "[http]\ntrusted_proxies = [\"10.0.0.0/8\"]\n").unwrap();
    let variables = [
        ("AUTHME__STORE__MONGODB_URI_FILE", "mongodb://ada:hunter2@db"),
        ("AUTHME__KAFKA__BROKERS", "kafka:9092"),
    ];
    let loaded = Loaded::merge(Binary::Tokens, TOKENS, Some(&file), environment_of(&variables)).unwrap();
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
fn every_setting_of_the_catalog_is_read() {
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
fn default_roles_of_saml_users_exclude_administrators() {
    let with = |role: &str| SamlSettings {
        default_roles: vec!["AUTH-BASIC".to_owned(), role.to_owned()],
    };
    assert!(with("USER").check().is_ok());
    for role in ["ADMIN", "ROLE_IAM_ADMIN_MAINTENANCE", "CLI-1STPARTY", "AUTH-MFA"] {
        let error = with(role).check().unwrap_err();
        assert!(error.to_string().contains(role), "{error}");
    }
}
