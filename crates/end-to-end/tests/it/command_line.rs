//! What an operator sees of a service before it serves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use end_to_end::{Installation, Options, Proxy, Servers, Service};

const PASSWORD: &str = "hunter2-is-no-password";

/// What each service cannot do without.
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

pub(crate) async fn check_says_that_a_start_would_succeed(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let _tokens = installation.start(Service::Tokens, &Options::default()).await;
    for service in Service::ALL {
        let done = installation.run(service, &Options::default(), &["--check"]).await;
        let keys = if service == Service::Tokens { "read" } else { "fetched" };
        let said = format!("store: reached\nsettings: good\nkeys: {keys}\nkafka: the topics are there\n");
        assert_eq!((done.code, done.stdout), (Some(0), said), "{}", done.stderr);
    }
}

pub(crate) async fn every_setting_is_printed_with_its_origin_and_no_secret(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let refresh_keys = fs::read_to_string(installation.folder().join("refresh-keys")).expect("the keys");
    let options = Options::default()
        .mongodb_uri(format!("mongodb://authme:{PASSWORD}@127.0.0.1:1/"))
        .setting("kafka.sasl_username", format!("scram://authme:{PASSWORD}@kafka"));
    for service in Service::ALL {
        let done = installation.run(service, &options, &["--print-config"]).await;
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        for line in [
            "tokens.audience = \"authme\"  # from environment AUTHME__TOKENS__AUDIENCE",
            "relay.lease = \"10s\"  # from default",
            "# kafka.ca_file is not set",
            "kafka.sasl_username = (not shown: it may hold a password)",
        ] {
            assert!(done.stdout.contains(line), "{line} is not in:\n{}", done.stdout);
        }
        for secret in [PASSWORD, refresh_keys.trim()] {
            assert!(
                !done.stdout.contains(secret) && !done.stderr.contains(secret),
                "{done:?}"
            );
        }
    }
}

pub(crate) async fn everything_that_is_missing_is_named_at_once(servers: Servers) {
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
            let done = installation.run(service, &options, arguments).await;
            assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{}", done.stderr);
            for name in own.iter().chain(&REQUIRED_EVERYWHERE) {
                assert!(done.stderr.contains(name), "{name} is not in: {}", done.stderr);
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

pub(crate) async fn what_is_not_known_is_named_at_once(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let options = Options::default()
        .setting("store.databse", "authme")
        .setting("htp.listen", "127.0.0.1:1");
    for service in Service::ALL {
        let done = installation.run(service, &options, &["--check"]).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.stderr.contains(
                "unknown environment variables: `AUTHME__HTP__LISTEN` (did you mean `AUTHME__HTTP__LISTEN`?), \
                 `AUTHME__STORE__DATABSE` (did you mean `AUTHME__STORE__DATABASE`?)"
            ),
            "{}",
            done.stderr
        );
    }
}

pub(crate) async fn a_store_that_is_away_is_told_without_its_password(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let mut nobody = Proxy::before(([127, 0, 0, 1], 1).into()).expect("a proxy");
    nobody.refuse().await;
    let uri = format!("mongodb://authme:{PASSWORD}@{}/", nobody.address());
    for service in Service::ALL {
        let begun = Instant::now();
        let options = Options::default().mongodb_uri(&uri);
        let done = installation.run(service, &options, &["--check"]).await;
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
        assert!(done.stderr.contains("the store cannot be opened"), "{}", done.stderr);
        assert!(!done.stderr.contains(PASSWORD), "{}", done.stderr);
        assert!(begun.elapsed() < Duration::from_secs(15), "it hangs");
    }
}

pub(crate) async fn a_folder_without_a_key_is_told_with_the_way_out(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let empty = installation.folder().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let options = Options::default().setting("keys.directory", empty.display().to_string());
    let done = installation.run(Service::Tokens, &options, &[]).await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("authme keys generate"), "{}", done.stderr);
}

pub(crate) async fn topics_that_are_there_stay(servers: Servers) {
    let installation = Installation::new(&servers).await;
    for service in Service::ALL {
        let done = installation
            .run(service, &Options::default(), &["--create-topics"])
            .await;
        let said = "authme.credential.v1: was there\nauthme.factor.v1: was there\nauthme.session.v1: was there\n";
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), said), "{}", done.stderr);
    }
}

pub(crate) async fn what_would_cross_a_network_unprotected_needs_a_word(servers: Servers) {
    let installation = Installation::new(&servers).await;
    // Nobody answers at an address that is kept for documents (RFC 5737).
    let exposed = Options::default()
        .mongodb_uri("mongodb://192.0.2.1/")
        .kafka_brokers("192.0.2.1:9092")
        .setting("keys.url", "http://192.0.2.1/keys");
    let refusal = async |service, options: Options| {
        let done = installation.run(service, &options, &["--check"]).await;
        assert_eq!(done.code, Some(1), "{done:?}");
        done.stderr
    };
    let none = |options: Options, name: &str| options.setting(name, "false");
    for service in Service::ALL {
        let told = refusal(service, none(exposed.clone(), "kafka.allow_insecure")).await;
        assert!(told.contains("`kafka.allow_insecure = true`"), "{told}");
        let told = refusal(service, none(exposed.clone(), "store.allow_insecure")).await;
        assert!(told.contains("`store.allow_insecure = true`"), "{told}");
    }
    let reaching = Options::default().setting("keys.url", "http://192.0.2.1/keys");
    for service in [Service::Factors, Service::CredentialLock] {
        let told = refusal(service, reaching.clone()).await;
        assert!(told.contains("`keys.allow_insecure = true`"), "{told}");
    }
}

pub(crate) async fn a_secret_that_others_may_read_is_refused(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let keys = installation.folder().join("data/keys");
    let pem = fs::read_dir(&keys).expect("the folder of keys").find_map(|entry| {
        let path = entry.expect("the folder of keys").path();
        path.extension().is_some_and(|ending| ending == "pem").then_some(path)
    });
    let uri = installation.folder().join("shared-uri");
    fs::write(&uri, &servers.mongodb_uri).expect("a file in the folder");
    let by_uri = Options::default().setting("store.mongodb_uri_file", uri.display().to_string());
    let plain = Options::default;
    for (service, path, options) in [
        (Service::Tokens, pem.expect("a key"), plain()),
        (Service::Tokens, installation.folder().join("refresh-keys"), plain()),
        (Service::Factors, installation.folder().join("codes-key"), plain()),
        (Service::CredentialLock, uri, by_uri),
    ] {
        let give = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        give(0o640);
        let done = installation.run(service, &options, &["--check"]).await;
        assert_eq!(done.code, Some(1), "{done:?}");
        for words in [path.display().to_string().as_str(), "0640", "`defaultMode: 0440`"] {
            assert!(done.stderr.contains(words), "{words} is not in: {}", done.stderr);
        }
        give(0o600);
    }
}
