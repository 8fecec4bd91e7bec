use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::Hasher as _;
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
use crate::event_reader::create_topics_if_missing;
use crate::random::random_suffix;
use crate::{Caller, Options, Process, Servers, Service};

pub(crate) const ISSUER: &str = "https://authme.test";

/// An installation of AuthMe: a folder with keys and secrets, and a database of its own on the servers.
///
/// Each service keeps its address when it is restarted. The topics exist. When a trial panics, the installation prints
/// the logs of all services.
pub struct Installation {
    servers: Servers,
    database: String,
    folder: TempDir,
    addresses: [(Service, Addresses); 3],
    processes: AtomicUsize,
}

/// The three running services of an installation.
pub struct Deployment {
    pub tokens: Process,
    pub factors: Process,
    pub credential_lock: Process,
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Installation {
    /// Creates the folder with a signing key and the secrets, and the missing topics. The first write creates the
    /// database.
    pub async fn new(servers: &Servers) -> Self {
        static TOPICS: OnceCell<()> = OnceCell::const_new();
        TOPICS
            .get_or_init(|| create_topics_if_missing(&servers.kafka_brokers))
            .await;
        let folder = TempDir::with_prefix("authme-end-to-end-").expect("a temporary folder");
        let installation = Self {
            servers: servers.clone(),
            database: format!("end-to-end-{}", random_suffix()),
            folder,
            addresses: Service::ALL.map(|service| (service, Addresses::free())),
            processes: AtomicUsize::new(0),
        };
        let secret: String = (0..4).map(|_| random_suffix()).collect();
        installation.write("refresh-keys", &secret);
        installation.write("codes-key", &secret.chars().rev().collect::<String>());
        installation.operate(&["keys", "generate"]).await;
        installation
    }

    /// Returns the folder, in which a trial can put files of its own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the name of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns the file to which the service writes the codes that it sends.
    pub fn outgoing_codes(&self) -> PathBuf {
        self.path("outgoing-codes.jsonl")
    }

    /// Runs `authme` on the database and returns the objects that it prints. Panics when it fails.
    pub async fn operate(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.try_operate(arguments).await;
        let advice = if output.stderr.contains("without the feature") {
            HOW_TO_BUILD
        } else {
            ""
        };
        assert_eq!(output.code, Some(0), "authme {arguments:?}: {}{advice}", output.stderr);
        let objects = serde_json::Deserializer::from_str(&output.stdout).into_iter();
        objects.map(|object| object.expect("it prints JSON")).collect()
    }

    /// Runs `authme` on the database.
    pub async fn try_operate(&self, arguments: &[&str]) -> CommandOutput {
        let mut command = Command::new(binary("authme"));
        command
            .env_clear()
            .env("AUTHME_MONGODB_URI", &self.servers.mongodb_uri)
            .env("AUTHME_MONGODB_DATABASE", &self.database)
            .env("AUTHME_MONGODB_ALLOW_INSECURE", "true")
            .arg("--data")
            .arg(self.data())
            .args(arguments);
        run(command).await
    }

    /// Returns a caller of the services at their addresses.
    pub fn caller(&self) -> Caller {
        let base_url = |service| self.addresses_of(service).base_url();
        Caller::new(
            base_url(Service::Tokens),
            base_url(Service::Factors),
            base_url(Service::CredentialLock),
        )
    }

    /// Starts the three services at the same time.
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

    /// Starts a service and waits until it is ready. `factors` and `credential-lock` become ready once they have
    /// fetched the key set of `tokens`.
    pub async fn start(&self, service: Service, options: &Options) -> Process {
        let mut process = self.spawn(service, options);
        process.wait_until_ready().await;
        process
    }

    /// Starts a service without waiting until it is ready.
    pub fn spawn(&self, service: Service, options: &Options) -> Process {
        let addresses = if options.is_replica {
            Addresses::free()
        } else {
            self.addresses_of(service)
        };
        let index = self.processes.fetch_add(1, Ordering::Relaxed);
        let log = self.logs().join(format!("{index}-{}.log", service.name()));
        fs::create_dir_all(self.logs()).expect("a folder for the logs");
        let file = File::create(&log).expect("a file for the log");
        let mut command = self.command(service, addresses, options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().expect("the service starts");
        Process::new(service, child, addresses, log)
    }

    /// Runs a service with arguments after which it exits by itself, such as `--check`.
    pub async fn run(&self, service: Service, options: &Options, arguments: &[&str]) -> CommandOutput {
        let mut command = self.command(service, self.addresses_of(service), options);
        command.args(arguments);
        run(command).await
    }

    /// Returns the logs of all services so far, including services that have exited.
    pub fn all_logs(&self) -> String {
        let Ok(files) = fs::read_dir(self.logs()) else {
            return String::new();
        };
        let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        files.sort();
        let with_name = |file: &PathBuf| {
            let log = fs::read(file).unwrap_or_default();
            format!("== {}\n{}", file.display(), String::from_utf8_lossy(&log))
        };
        files.iter().map(with_name).collect()
    }

    fn command(&self, service: Service, addresses: Addresses, options: &Options) -> Command {
        let uri = options.mongodb_uri.as_ref().unwrap_or(&self.servers.mongodb_uri);
        let brokers = options.kafka_brokers.as_ref().unwrap_or(&self.servers.kafka_brokers);
        let mut settings: Vec<(&str, OsString)> = vec![
            ("http.listen", format!("127.0.0.1:{}", addresses.api).into()),
            ("http.management", format!("127.0.0.1:{}", addresses.management).into()),
            ("http.workers", "1".into()),
            // A trial notices an unready service sooner than a load balancer does.
            ("http.drain", "300ms".into()),
            // A trial sends its requests as one client and few users.
            ("limits.requests_per_client", "0".into()),
            ("limits.requests_per_user", "0".into()),
            ("store.mongodb_uri_file", self.uri_file(uri).into()),
            ("store.database", self.database.as_str().into()),
            ("kafka.brokers", brokers.into()),
            ("kafka.replication", "1".into()),
            // The test servers use no TLS.
            ("store.allow_insecure", "true".into()),
            ("kafka.allow_insecure", "true".into()),
            ("tokens.issuer", ISSUER.into()),
            ("tokens.audience", "authme".into()),
        ];
        if service == Service::Tokens {
            for limit in ["tokens.new_sessions_per_minute", "tokens.sessions_per_client"] {
                settings.push((limit, "0".into()));
            }
            settings.push(("keys.directory", self.data().join("keys").into()));
            settings.push(("secrets.refresh_file", self.path("refresh-keys").into()));
        } else {
            if service == Service::Factors {
                settings.push(("secrets.codes_file", self.path("codes-key").into()));
                settings.push(("delivery.file", self.outgoing_codes().into()));
            }
            settings.push(("keys.url", self.key_set_url().into()));
        }
        let overrides = options.settings.iter();
        settings.extend(overrides.map(|(name, value)| (name.as_str(), value.into())));
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

    /// Writes the URI into a file and returns its path. Each URI has a file of its own.
    fn uri_file(&self, uri: &str) -> PathBuf {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(uri.as_bytes());
        self.write(&format!("mongodb-uri-{:016x}", hasher.finish()), uri)
    }

    /// Writes a file atomically, because a service may read it at the same time.
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
            eprintln!("{}", self.all_logs());
        }
        if let Err(error) = drop_database(&self.servers.mongodb_uri, &self.database) {
            eprintln!("the database {} cannot be dropped: {error}", self.database);
        }
    }
}

async fn run(mut command: Command) -> CommandOutput {
    let output = spawn_blocking(move || command.stdin(Stdio::null()).output()).await;
    let output = output.expect("no panic").expect("the program starts");
    CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
