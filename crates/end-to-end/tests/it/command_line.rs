//! The command line of a service, and its checks at the start.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use end_to_end::{Installation, Options, Proxy, Servers, Service};

const PASSWORD: &str = "hunter2-is-no-password";

/// The settings that each service requires.
const REQUIRED: [(Service, &[&str]); 3] = [
    (
        Service::Factors,
        &[
            "keys.directory (AUTHME__KEYS__DIRECTORY)",
            "keys.url (AUTHME__KEYS__URL)",
            "secrets.codes_file (AUTHME__SECRETS__CODES_FILE)",
            "smtp.host (AUTHME__SMTP__HOST) or delivery.file (AUTHME__DELIVERY__FILE)",
            "sms.url (AUTHME__SMS__URL) or delivery.file (AUTHME__DELIVERY__FILE)",
        ],
    ),
    (
        Service::Tokens,
        &[
            "keys.directory (AUTHME__KEYS__DIRECTORY)",
            "secrets.refresh_file (AUTHME__SECRETS__REFRESH_FILE)",
        ],
    ),
    (
        Service::CredentialLock,
        &[
            "keys.directory (AUTHME__KEYS__DIRECTORY)",
            "keys.url (AUTHME__KEYS__URL)",
        ],
    ),
];
const REQUIRED_EVERYWHERE: [&str; 4] = [
    "store.mongodb_uri_file (AUTHME__STORE__MONGODB_URI_FILE)",
    "kafka.brokers (AUTHME__KAFKA__BROKERS)",
    "tokens.issuer (AUTHME__TOKENS__ISSUER)",
    "tokens.audience (AUTHME__TOKENS__AUDIENCE)",
];

pub(crate) async fn check_reports_that_a_start_would_succeed(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let _tokens = installation.start(Service::Tokens, &Options::default()).await;
    for service in Service::ALL {
        let output = installation.run(service, &Options::default(), &["--check"]).await;
        let keys = if service == Service::Tokens { "read" } else { "fetched" };
        let expected = format!("store: reached\nsettings: valid\nkeys: {keys}\nkafka: all topics exist\n");
        assert_eq!((output.code, output.stdout), (Some(0), expected), "{}", output.stderr);
    }
}

pub(crate) async fn print_config_shows_origins_and_no_secrets(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let refresh_keys = fs::read_to_string(installation.folder().join("refresh-keys")).expect("the keys");
    let options = Options::default()
        .mongodb_uri(format!("mongodb://authme:{PASSWORD}@127.0.0.1:1/"))
        .setting("kafka.sasl_username", format!("scram://authme:{PASSWORD}@kafka"));
    for service in Service::ALL {
        let output = installation.run(service, &options, &["--print-config"]).await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        for line in [
            "tokens.audience = \"authme\"  # from environment AUTHME__TOKENS__AUDIENCE",
            "relay.lease = \"10s\"  # from default",
            "# kafka.ca_file is not set",
            "kafka.sasl_username = (not shown: it may hold a password)",
        ] {
            assert!(output.stdout.contains(line), "{line} is not in:\n{}", output.stdout);
        }
        for secret in [PASSWORD, refresh_keys.trim()] {
            assert!(
                !output.stdout.contains(secret) && !output.stderr.contains(secret),
                "{output:?}"
            );
        }
    }
}

pub(crate) async fn check_names_all_missing_settings(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let mut options = Options::default()
        .setting("keys.url", "")
        .setting("secrets.refresh_file", "")
        .setting("secrets.codes_file", "")
        .setting("delivery.file", "");
    for name in [
        "store.mongodb_uri_file",
        "kafka.brokers",
        "tokens.issuer",
        "tokens.audience",
        "keys.directory",
    ] {
        options = options.setting(name, "");
    }
    for (service, own) in REQUIRED {
        for arguments in [&["--check"][..], &[]] {
            let output = installation.run(service, &options, arguments).await;
            assert_eq!(
                (output.code, output.stdout.as_str()),
                (Some(1), ""),
                "{}",
                output.stderr
            );
            for name in own.iter().chain(&REQUIRED_EVERYWHERE) {
                assert!(output.stderr.contains(name), "{name} is not in: {}", output.stderr);
            }
        }
        let printed = installation.run(service, &options, &["--print-config"]).await;
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        assert!(
            printed
                .stdout
                .contains("# missing: kafka.brokers (AUTHME__KAFKA__BROKERS)"),
            "{}",
            printed.stdout
        );
    }
}

pub(crate) async fn check_names_all_unknown_settings(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let options = Options::default()
        .setting("store.databse", "authme")
        .setting("htp.listen", "127.0.0.1:1");
    for service in Service::ALL {
        let output = installation.run(service, &options, &["--check"]).await;
        assert_eq!(output.code, Some(1));
        assert!(
            output.stderr.contains(
                "unknown environment variables: `AUTHME__HTP__LISTEN` (did you mean `AUTHME__HTTP__LISTEN`?), \
                 `AUTHME__STORE__DATABSE` (did you mean `AUTHME__STORE__DATABASE`?)"
            ),
            "{}",
            output.stderr
        );
    }
}

pub(crate) async fn unreachable_store_is_reported_without_its_password(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let mut unreachable = Proxy::start(([127, 0, 0, 1], 1).into()).expect("a proxy");
    unreachable.refuse().await;
    let uri = format!("mongodb://authme:{PASSWORD}@{}/", unreachable.address());
    for service in Service::ALL {
        let started = Instant::now();
        let options = Options::default().mongodb_uri(&uri);
        let output = installation.run(service, &options, &["--check"]).await;
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
        assert!(
            output.stderr.contains("the store cannot be opened"),
            "{}",
            output.stderr
        );
        assert!(!output.stderr.contains(PASSWORD), "{}", output.stderr);
        assert!(started.elapsed() < Duration::from_secs(15), "the check took too long");
    }
}

pub(crate) async fn empty_key_folder_is_reported_with_the_command_to_run(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let empty = installation.folder().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let options = Options::default().setting("keys.directory", empty.display().to_string());
    let output = installation.run(Service::Tokens, &options, &[]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("authme keys generate"), "{}", output.stderr);
}

pub(crate) async fn create_topics_keeps_existing_topics(servers: Servers) {
    let installation = Installation::new(&servers).await;
    for service in Service::ALL {
        let output = installation
            .run(service, &Options::default(), &["--create-topics"])
            .await;
        let expected = ["credential", "directory", "factor", "session", "login"]
            .map(|name| format!("authme.{name}.v1: already exists\n"));
        let expected = expected.concat();
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(0), expected.as_str()),
            "{}",
            output.stderr
        );
    }
}

pub(crate) async fn unencrypted_connections_need_an_explicit_setting(servers: Servers) {
    let installation = Installation::new(&servers).await;
    // No host has this address, which is reserved for documentation (RFC 5737).
    let exposed = Options::default()
        .mongodb_uri("mongodb://192.0.2.1/")
        .kafka_brokers("192.0.2.1:9092")
        .setting("keys.url", "http://192.0.2.1/keys");
    let stderr_of_failed_check = async |service, options: Options| {
        let output = installation.run(service, &options, &["--check"]).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        output.stderr
    };
    let disallow = |options: Options, name: &str| options.setting(name, "false");
    for service in Service::ALL {
        let stderr = stderr_of_failed_check(service, disallow(exposed.clone(), "kafka.allow_insecure")).await;
        assert!(stderr.contains("`kafka.allow_insecure = true`"), "{stderr}");
        let stderr = stderr_of_failed_check(service, disallow(exposed.clone(), "store.allow_insecure")).await;
        assert!(stderr.contains("`store.allow_insecure = true`"), "{stderr}");
    }
    let exposed_keys = Options::default().setting("keys.url", "http://192.0.2.1/keys");
    for service in [Service::Factors, Service::CredentialLock] {
        let stderr = stderr_of_failed_check(service, exposed_keys.clone()).await;
        assert!(stderr.contains("`keys.allow_insecure = true`"), "{stderr}");
    }
}

pub(crate) async fn check_rejects_a_secret_file_that_others_can_read(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let keys = installation.folder().join("data/keys");
    let pem = fs::read_dir(&keys).expect("the folder of keys").find_map(|entry| {
        let path = entry.expect("the folder of keys").path();
        path.extension()
            .is_some_and(|extension| extension == "pem")
            .then_some(path)
    });
    let uri = installation.folder().join("shared-uri");
    fs::write(&uri, &servers.mongodb_uri).expect("a file in the folder");
    let uri_options = Options::default().setting("store.mongodb_uri_file", uri.display().to_string());
    let default = Options::default;
    for (service, path, options) in [
        (Service::Tokens, pem.expect("a key"), default()),
        (Service::Tokens, installation.folder().join("refresh-keys"), default()),
        (Service::Factors, installation.folder().join("codes-key"), default()),
        (Service::CredentialLock, uri, uri_options),
    ] {
        let set_mode =
            |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the test owns the file");
        set_mode(0o640);
        let output = installation.run(service, &options, &["--check"]).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        for words in [path.display().to_string().as_str(), "0640", "`defaultMode: 0440`"] {
            assert!(output.stderr.contains(words), "{words} is not in: {}", output.stderr);
        }
        set_mode(0o600);
    }
}
