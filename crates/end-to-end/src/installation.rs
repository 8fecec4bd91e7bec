use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::addresses::Addresses;
use crate::binaries::{HOW_TO_BUILD, binary};
use crate::database::drop_database;
use crate::follower::make_topics;
use crate::{Caller, Options, Process, Servers, Service};

pub(crate) const ISSUER: &str = "https://authme.test";

/// AuthMe as one operator runs it: a folder with keys and secrets, and a database of its own on the servers.
///
/// Each service has an address that stays: one that was ended is started again where it was. The topics are there.
/// Whatever was logged is shown when a trial panics.
pub struct Installation {
    servers: Servers,
    database: String,
    folder: TempDir,
    addresses: [(Service, Addresses); 3],
    processes: AtomicUsize,
}

/// The three services of an installation, running.
pub struct Deployment {
    pub tokens: Process,
    pub factors: Process,
    pub credential_lock: Process,
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Installation {
    /// Makes the folder with a signing key and the secrets. The database is made by whoever writes first.
    pub async fn new(servers: &Servers) -> Self {
        static TOPICS: OnceCell<()> = OnceCell::const_new();
        TOPICS.get_or_init(|| make_topics(&servers.kafka_brokers)).await;
        let folder = TempDir::with_prefix("authme-end-to-end-").expect("a temporary folder");
        let installation = Self {
            servers: servers.clone(),
            database: format!("end-to-end-{}", chance()),
            folder,
            addresses: Service::ALL.map(|service| (service, Addresses::free())),
            processes: AtomicUsize::new(0),
        };
        let secret: String = (0..4).map(|_| chance()).collect();
        installation.write("refresh-keys", &secret);
        installation.write("codes-key", &secret.chars().rev().collect::<String>());
        installation.operator(&["keys", "generate"]).await;
        installation
    }

    /// The folder, for what a trial wants to put beside the rest.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The name of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where the codes go that were sent.
    pub fn outgoing_codes(&self) -> PathBuf {
        self.path("outgoing-codes.jsonl")
    }

    /// Runs `authme` on the database; the objects that it printed. Panics when it refuses.
    pub async fn operator(&self, arguments: &[&str]) -> Vec<Value> {
        let mut command = Command::new(binary("authme"));
        command
            .env_clear()
            .env("AUTHME_MONGODB_URI", &self.servers.mongodb_uri)
            .env("AUTHME_MONGODB_DATABASE", &self.database)
            .env("AUTHME_MONGODB_ALLOW_INSECURE", "true")
            .arg("--data")
            .arg(self.data())
            .args(arguments);
        let done = run(command).await;
        let advice = if done.stderr.contains("without the feature") {
            HOW_TO_BUILD
        } else {
            ""
        };
        assert_eq!(done.code, Some(0), "authme {arguments:?}: {}{advice}", done.stderr);
        let objects = serde_json::Deserializer::from_str(&done.stdout).into_iter();
        objects.map(|object| object.expect("it prints JSON")).collect()
    }

    /// Somebody who calls the services at the addresses that stay.
    pub fn caller(&self) -> Caller {
        let base_url = |service| self.addresses_of(service).base_url();
        Caller::new(
            base_url(Service::Tokens),
            base_url(Service::Factors),
            base_url(Service::CredentialLock),
        )
    }

    /// Starts the three services, side by side.
    pub async fn start_all(&self, options: &Options) -> Deployment {
        let (tokens, factors, credential_lock) = tokio::join!(
            self.start(Service::Tokens, options),
            self.start(Service::Factors, options),
            self.start(Service::CredentialLock, options),
        );
        Deployment {
            tokens,
            factors,
            credential_lock,
        }
    }

    /// Starts a service and waits until it is ready. `factors` and `credential-lock` are ready once they have the key set
    /// of `tokens`.
    pub async fn start(&self, service: Service, options: &Options) -> Process {
        let mut process = self.spawn(service, options);
        process.until_ready().await;
        process
    }

    /// Starts a service, ready or not.
    pub fn spawn(&self, service: Service, options: &Options) -> Process {
        let addresses = if options.is_replica {
            Addresses::free()
        } else {
            self.addresses_of(service)
        };
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        let log = self.logs().join(format!("{number}-{}.log", service.name()));
        fs::create_dir_all(self.logs()).expect("a folder for the logs");
        let file = File::create(&log).expect("a file for the log");
        let mut command = self.command(service, addresses, options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().expect("the service starts");
        Process::new(service, child, addresses, log)
    }

    /// Runs a service with arguments that make it end by itself, such as `--check`.
    pub async fn run(&self, service: Service, options: &Options, arguments: &[&str]) -> Done {
        let mut command = self.command(service, self.addresses_of(service), options);
        command.args(arguments);
        run(command).await
    }

    /// Everything that the services have logged so far, those ended included.
    pub fn everything_logged(&self) -> String {
        let Ok(files) = fs::read_dir(self.logs()) else {
            return String::new();
        };
        let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        files.sort();
        let shown = |file: &PathBuf| {
            let log = fs::read(file).unwrap_or_default();
            format!("== {}\n{}", file.display(), String::from_utf8_lossy(&log))
        };
        files.iter().map(shown).collect()
    }

    fn command(&self, service: Service, addresses: Addresses, options: &Options) -> Command {
        let uri = options.mongodb_uri.as_ref().unwrap_or(&self.servers.mongodb_uri);
        let brokers = options.kafka_brokers.as_ref().unwrap_or(&self.servers.kafka_brokers);
        let mut settings: Vec<(&str, OsString)> = vec![
            ("http.listen", format!("127.0.0.1:{}", addresses.api).into()),
            ("http.management", format!("127.0.0.1:{}", addresses.management).into()),
            ("http.workers", "1".into()),
            // Nobody here takes longer to hear that a service is unready.
            ("http.drain", "300ms".into()),
            // Trials ask as one client and as few users.
            ("limits.requests_per_client", "0".into()),
            ("limits.requests_per_user", "0".into()),
            ("store.mongodb_uri_file", self.uri_file(uri).into()),
            ("store.database", self.database.as_str().into()),
            ("kafka.brokers", brokers.into()),
            ("kafka.replication", "1".into()),
            // Wherever the variables of the servers point.
            ("store.allow_insecure", "true".into()),
            ("kafka.allow_insecure", "true".into()),
            ("tokens.issuer", ISSUER.into()),
            ("tokens.audience", "authme".into()),
        ];
        if service == Service::Tokens {
            settings.push(("tokens.new_sessions_per_minute", "0".into()));
            settings.push(("keys.directory", self.data().join("keys").into()));
            settings.push(("secrets.refresh_file", self.path("refresh-keys").into()));
        } else {
            if service == Service::Factors {
                settings.push(("secrets.codes_file", self.path("codes-key").into()));
                settings.push(("delivery.file", self.outgoing_codes().into()));
            }
            settings.push(("keys.url", self.key_set_url().into()));
        }
        let given = options.settings.iter();
        settings.extend(given.map(|(name, value)| (name.as_str(), value.into())));
        let variable = |name: &str| format!("AUTHME__{}", name.replace('.', "__").to_uppercase());
        let mut command = Command::new(binary(service.binary()));
        command.env_clear();
        command.envs(settings.into_iter().map(|(name, value)| (variable(name), value)));
        command
    }

    fn key_set_url(&self) -> String {
        let tokens = self.addresses_of(Service::Tokens).base_url();
        format!("{tokens}/security/iam/v1/.well-known/jwks.json")
    }

    fn addresses_of(&self, service: Service) -> Addresses {
        let found = self.addresses.iter().find(|(known, _)| *known == service);
        found.expect("every service has its addresses").1
    }

    /// A file that holds the URI; each URI has its own.
    fn uri_file(&self, uri: &str) -> PathBuf {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(uri.as_bytes());
        self.write(&format!("mongodb-uri-{:016x}", hasher.finish()), uri)
    }

    /// Puts the file in place whole: another service may read it.
    fn write(&self, name: &str, line: &str) -> PathBuf {
        let path = self.path(name);
        let mut draft = NamedTempFile::new_in(self.folder.path()).expect("a file in the folder");
        draft.write_all(line.as_bytes()).expect("a file in the folder");
        draft.persist(&path).expect("a file in the folder");
        path
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.everything_logged());
        }
        if let Err(error) = drop_database(&self.servers.mongodb_uri, &self.database) {
            eprintln!("the database {} stays: {error}", self.database);
        }
    }
}

async fn run(mut command: Command) -> Done {
    let output = spawn_blocking(move || command.stdin(Stdio::null()).output()).await;
    let output = output.expect("no panic").expect("the program starts");
    Done {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sixteen hexadecimal digits that nobody else has.
pub(crate) fn chance() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
