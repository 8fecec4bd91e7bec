use std::fs;
use std::path::Path;
use std::time::Duration;

use adapter_kafka::Security;
use service_assembly::deployed_settings::{DeployedSettings, services};
use service_assembly::settings::{COMMON, DEPLOYED, HTTP, ProcessSettings, delivery, delivery_config};
use service_assembly::{
    CONTEXTS, CodeSecretSettings, CodeSettings, Context, IssuerSettings, RefreshSecretSettings, SmsRegionSettings,
    TOKENS, deployed_settings,
};
use service_runtime::{Loaded, LogFormat, LogSettings, Program, SettingsError};
use use_cases::factors::FactorsSettings;

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

fn load(program: Program, file: Option<&Path>, variables: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    program.load_with(file, variables)
}

/// Returns the settings that the service of a context knows.
fn program(context: &str) -> Program {
    let contexts: Vec<&Context> = CONTEXTS.iter().copied().filter(|known| known.name == context).collect();
    deployed_settings::program(&contexts)
}

/// Returns a program that reads no settings of MongoDB, Kafka and the relay, and does not accept them, as `authme serve`.
fn local_program() -> Program {
    Program {
        sections: [HTTP, COMMON, &Context::sections(&[&TOKENS])].concat(),
        others: DEPLOYED.to_vec(),
        unlisted: &["store", "kafka"],
        accepts_others: false,
        requires_settings: false,
        defaults: "http = { drain = '0s' }",
    }
}

/// Loads the settings of the service `tokens`: the required ones and more.
fn tokens_with(more: &[(&str, &str)]) -> Loaded {
    load(program("tokens"), None, &[&REQUIRED, more].concat()).unwrap()
}

/// Reads all sections of the service `tokens`.
fn read_tokens(loaded: &Loaded) -> Result<(DeployedSettings, IssuerSettings), SettingsError> {
    loaded.read::<RefreshSecretSettings>()?;
    ProcessSettings::read(loaded)?;
    Ok((DeployedSettings::read(loaded)?, IssuerSettings::read(loaded)?))
}

#[track_caller]
fn unknown_names(loaded: Result<Loaded, SettingsError>) -> Vec<String> {
    match loaded.unwrap_err() {
        SettingsError::Unknown(unknown) => unknown.iter().map(|unknown| unknown.name().to_owned()).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn environment_overrides_file_and_file_overrides_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authme.conf");
    fs::write(&file, "[log]\nformat = \"text\"\nfilter = \"debug\"\n").unwrap();
    let variables = [("AUTHME__LOG__FILTER", "trace"), ("AUTHME_DATA", "elsewhere")];
    let loaded = load(local_program(), Some(&file), &variables).unwrap();
    let log = loaded.read::<LogSettings>().unwrap();
    assert_eq!((log.format, log.filter.as_str()), (LogFormat::Text, "trace"));
}

#[test]
fn commas_separate_the_elements_of_a_list_in_a_variable() {
    for (value, expected) in [
        ("10.0.0.0/8", ["10.0.0.0/8"].as_slice()),
        ("10.0.0.0/8, ::1,", &["10.0.0.0/8", "::1"]),
    ] {
        let loaded = tokens_with(&[("AUTHME__HTTP__TRUSTED_PROXIES", value)]);
        assert_eq!(ProcessSettings::read(&loaded).unwrap().http.trusted_proxies, expected);
        let origin = "# from environment AUTHME__HTTP__TRUSTED_PROXIES";
        assert!(loaded.print().contains(origin), "{}", loaded.print());
    }
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
    let loaded = load(program("tokens"), None, &variables);
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
        load(program("tokens"), file, variables).unwrap_err().to_string()
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
        load(local_program(), None, &database).unwrap_err().to_string(),
        "unknown environment variable `AUTHME__STORE__DATABASE`; only other programs of AuthMe read it"
    );
}

/// Reports the error of the service `tokens` with a file and variables.
fn report_error(text: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    fs::write(&file, text).unwrap();
    let loaded = load(program("tokens"), Some(&file), &[&REQUIRED, variables].concat()).unwrap();
    read_tokens(&loaded).unwrap_err().to_string()
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
            "`kafka.partitions` must be a whole number of at least 1, within the range of the setting, not \"5000000000\"",
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
            "http = { trusted_proxies = '10.0.0.0/8' }",
            "`http.trusted_proxies` must be a list, not \"10.0.0.0/8\" (file ",
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
fn every_choice_is_accepted() {
    for (variable, choices) in [
        ("AUTHME__KAFKA__SECURITY", ["plaintext", "tls", "scram"].as_slice()),
        ("AUTHME__KAFKA__SASL_MECHANISM", &["SCRAM-SHA-256", "SCRAM-SHA-512"]),
        ("AUTHME__LOG__FORMAT", &["json", "text"]),
    ] {
        for choice in choices {
            let settings = read_tokens(&tokens_with(&[(variable, choice)]));
            assert!(settings.is_ok(), "{variable} {choice}: {settings:?}");
        }
    }
}

#[test]
fn an_unreadable_file_is_reported_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    fs::write(&file, "[smtp]\npassword = hunter2\n").unwrap();
    let error = load(program("tokens"), Some(&file), &[]).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("the settings cannot be read: "), "{error}");
    assert!(
        error.contains("tokens.toml: TOML parse error at line 2, column 12"),
        "{error}"
    );
    assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    let missing = folder.path().join("nowhere.toml");
    let error = load(program("tokens"), Some(&missing), &[]).unwrap_err();
    assert!(error.to_string().contains("nowhere.toml"), "{error}");
}

#[test]
fn one_file_can_configure_all_services_but_not_authme() {
    let grace = [("AUTHME__TOKENS__REFRESH_GRACE", "0s")];
    assert!(load(program("factors"), None, &grace).is_ok());
    let database = [("AUTHME__STORE__DATABASE", "other")];
    assert_eq!(
        unknown_names(load(local_program(), None, &database)),
        ["store.database"]
    );
}

#[test]
fn missing_settings_are_named_with_their_variables() {
    let missing = |context, variables: &[(&str, &str)]| {
        let loaded = load(program(context), None, variables).unwrap();
        match loaded.read::<LogSettings>().unwrap_err() {
            SettingsError::Missing(missing) => missing,
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        missing("tokens", &[("AUTHME__KEYS__URL", "http://tokens/keys")]),
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
        missing("factors", &REQUIRED[..4]),
        [
            "keys.directory (AUTHME__KEYS__DIRECTORY) or keys.url (AUTHME__KEYS__URL)",
            "smtp.host (AUTHME__SMTP__HOST) or delivery.file (AUTHME__DELIVERY__FILE)",
            "sms.url (AUTHME__SMS__URL) or delivery.file (AUTHME__DELIVERY__FILE)",
            "secrets.codes_file (AUTHME__SECRETS__CODES_FILE)",
        ]
    );
}

#[test]
fn a_verifier_needs_only_one_source_of_keys() {
    for keys in [("AUTHME__KEYS__URL", "http://tokens/keys"), REQUIRED[4]] {
        let variables = [&REQUIRED[..4], &SENDER, &[keys]].concat();
        let loaded = load(program("factors"), None, &variables).unwrap();
        assert!(DeployedSettings::read(&loaded).is_ok(), "{keys:?}");
    }
}

#[test]
fn a_service_that_signs_does_not_read_the_url_of_the_key_set() {
    let (service, _) = read_tokens(&tokens_with(&[("AUTHME__KEYS__URL", "http://tokens/keys")])).unwrap();
    assert_eq!(service.key_set.url, None);
}

#[test]
fn required_settings_are_sufficient() {
    let loaded = tokens_with(&[]);
    let (service, issuer) = read_tokens(&loaded).unwrap();
    assert_eq!(
        ProcessSettings::read(&loaded).unwrap().http.drain,
        Duration::from_secs(5)
    );
    assert_eq!(service.kafka.security, Security::Plaintext);
    assert!(!service.kafka.allow_insecure && !service.store.allow_insecure && !service.key_set.allow_insecure);
    assert_eq!(service.keys.directory.unwrap(), Path::new("/run/keys"));
    assert_eq!(issuer.tokens.refresh_grace, Duration::from_secs(30));
}

/// Returns whether an error names the setting whose value cannot be used.
fn is_about(error: &SettingsError, setting: &str) -> bool {
    match error {
        SettingsError::Unusable { name, .. } | SettingsError::WrongType { name, .. } => name == setting,
        _ => false,
    }
}

#[test]
fn unusable_settings_of_factors_are_rejected() {
    let read = |more: &[(&str, &str)]| {
        let variables = [&REQUIRED[..5], &SENDER, more].concat();
        let loaded = load(program("factors"), None, &variables).unwrap();
        DeployedSettings::read(&loaded)?;
        delivery_config(&loaded)?;
        loaded.read::<CodeSecretSettings>()?;
        loaded.read::<CodeSettings>()
    };
    let codes = read(&[]).unwrap();
    assert_eq!(
        codes.use_cases(&SmsRegionSettings::default()),
        FactorsSettings::default()
    );
    for (variable, value, setting) in [
        ("AUTHME__KEYS__LONGEST_AGE", "59s", "keys.longest_age"),
        ("AUTHME__CODES__LIFETIME", "11m", "codes.lifetime"),
        ("AUTHME__CODES__LIFETIME", "0s", "codes.lifetime"),
        ("AUTHME__CODES__ATTEMPTS_PER_CONTACT", "0", "codes.attempts_per_contact"),
        ("AUTHME__CODES__SENDS_PER_USER", "0", "codes.sends_per_user"),
        ("AUTHME__CODES__SENDS_PER_HOUR", "0", "codes.sends_per_hour"),
        ("AUTHME__DELIVERY__WITHIN", "999ms", "delivery.within"),
        ("AUTHME__SECRETS__CODES_FILE", "secret://hunter2", "secrets.codes_file"),
    ] {
        let error = read(&[(variable, value)]).unwrap_err();
        assert!(is_about(&error, setting), "{variable}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn codes_are_not_written_into_a_file_beyond_loopback() {
    let read = |more: &[(&str, &str)]| {
        let variables = [&REQUIRED[..5], &SENDER, more].concat();
        let loaded = load(program("factors"), None, &variables).unwrap();
        delivery(&loaded, None).map_err(|error| error.report())
    };
    for listen in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"] {
        assert!(read(&[("AUTHME__HTTP__LISTEN", listen)]).is_ok(), "{listen}");
    }
    for listen in ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:8080", "authme.example:8080"] {
        let error = read(&[("AUTHME__HTTP__LISTEN", listen)]).unwrap_err();
        for words in [
            listen,
            "`/var/lib/codes`",
            "`smtp.host`",
            "`delivery.allow_insecure = true`",
        ] {
            assert!(error.contains(words), "{error}");
        }
        let allowed = [
            ("AUTHME__HTTP__LISTEN", listen),
            ("AUTHME__DELIVERY__ALLOW_INSECURE", "true"),
        ];
        assert!(read(&allowed).is_ok(), "{listen}");
    }
    // The file of one channel is enough.
    let mail = [
        ("AUTHME__HTTP__LISTEN", "0.0.0.0:8080"),
        ("AUTHME__SMTP__HOST", "mail.example"),
        ("AUTHME__SMTP__FROM", "a@example.com"),
    ];
    assert!(read(&mail).unwrap_err().contains("`delivery.allow_insecure = true`"));
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "0123456789abcdef\n").unwrap();
    let gateway = [
        ("AUTHME__SMS__URL", "https://sms.example"),
        ("AUTHME__SMS__SIGNING_KEY_FILE", key.path().to_str().unwrap()),
    ];
    assert!(read(&[&mail[..], &gateway].concat()).is_ok());
}

#[test]
fn regions_of_numbers_are_region_codes() {
    let regions = |value: &str| {
        let variables = [&REQUIRED[..5], &SENDER, &[("AUTHME__SMS__REGIONS", value)]].concat();
        let loaded = load(program("factors"), None, &variables).unwrap();
        loaded.read::<SmsRegionSettings>().unwrap()
    };
    assert_eq!(regions("55, 351").regions, ["55", "351"]);
    assert!(regions("55, 351").check().is_ok());
    for unusable in ["+55", "0", "5511", "br", "55;351"] {
        let error = regions(unusable).check().unwrap_err().report();
        assert!(error.contains("`sms.regions`"), "{unusable}: {error}");
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
        ("AUTHME__KAFKA__PARTITIONS", "0", "kafka.partitions"),
        ("AUTHME__KAFKA__REPLICATION", "0", "kafka.replication"),
        ("AUTHME__KAFKA__SASL_MECHANISM", "PLAIN", "kafka.sasl_mechanism"),
        ("AUTHME__HTTP__WRITE_TIMEOUT", "999ms", "http.write_timeout"),
        (
            "AUTHME__TOKENS__REFRESH_IDLE_LIFETIME",
            "0s",
            "tokens.refresh_idle_lifetime",
        ),
        (
            "AUTHME__TOKENS__ACCESS_TOKEN_LIFETIME",
            "2h",
            "tokens.access_token_lifetime",
        ),
    ] {
        let error = read_tokens(&tokens_with(&[(variable, value)])).unwrap_err();
        assert!(is_about(&error, setting), "{variable}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
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
    let loaded = load(program("tokens"), Some(&file), &variables).unwrap();
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
fn values_outside_of_their_limits_are_reported_with_the_limit() {
    for (variable, value, expected) in [
        (
            "RELAY__LEASE",
            "10ms",
            "`relay.lease` must be a duration of at least 1s, not \"10ms\"",
        ),
        (
            "STORE__CONNECTIONS",
            "0",
            "`store.connections` must be a whole number of at least 1, not \"0\"",
        ),
        (
            "HTTP__WORKERS",
            "-1",
            "`http.workers` must be a whole number of at least 0, not \"-1\"",
        ),
    ] {
        let variable = format!("AUTHME__{variable}");
        assert_eq!(
            report_error("", &[(&variable, value)]),
            format!("{expected} (variable {variable})")
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("factors.toml");
    for within in ["999ms", "0s", "-10s", "10", "soon", ""] {
        fs::write(&file, format!("[delivery]\nwithin = '{within}'\n")).unwrap();
        let loaded = load(program("factors"), Some(&file), &[&REQUIRED[..5], &SENDER].concat()).unwrap();
        let error = delivery_config(&loaded).unwrap_err();
        assert!(is_about(&error, "delivery.within"), "{within}: {error}");
    }
}

#[test]
fn every_section_declares_settings() {
    for (context, sections) in services() {
        for section in sections {
            let only = Program {
                sections: vec![section],
                ..program(context)
            };
            let printed = load(only, None, &[]).unwrap().print();
            assert!(!printed.is_empty(), "{context}: {section:?}");
        }
    }
}
