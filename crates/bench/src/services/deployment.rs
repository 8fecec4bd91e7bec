use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::ensure;
use test_servers::Addresses;
use test_servers::authme::{DataFolder, Server};
use test_servers::free_port;
use test_servers::http::Connection;

use super::consumer::{Consumer, now_in_microseconds};
use crate::population::{self, BASE, Client, UserIds};
use crate::programs::ServicePrograms;
use crate::serve::LIMITS;

/// The three services over a database of their own.
///
/// All runs share the topics, so the ids of the users are unique to the run. The database stays until the servers are
/// stopped.
pub(super) struct Deployment {
    pub(super) tokens: Server,
    pub(super) factors: Server,
    pub(super) credential_lock: Server,
    pub(super) data: DataFolder,
    ids: UserIds,
    users: usize,
    brokers: String,
    follow_events: PathBuf,
}

/// The settings of a service, as its environment.
type Settings = Vec<(&'static str, String)>;

impl Deployment {
    pub(super) fn start(programs: &ServicePrograms, addresses: &Addresses) -> anyhow::Result<Self> {
        let ids = UserIds(u32::try_from(now_in_microseconds() >> 8 & u64::from(u32::MAX))?);
        let database = format!("authme_bench_{}", ids.nth(0));
        let data = DataFolder::with_deployed_store(&programs.operator, &addresses.mongodb_uri, &database)?;
        let shared = shared_settings(&data, addresses, database)?;
        let signing = signing_settings(&data)?;
        let issuing = [shared.clone(), signing].concat();
        create_topics(&programs.tokens, &issuing)?;
        let tokens = serve(&programs.tokens, issuing)?;
        let keys = format!("http://127.0.0.1:{}{BASE}/.well-known/jwks.json", tokens.port);
        let verifying = [shared, vec![("AUTHME__KEYS__URL", keys)]].concat();
        Ok(Self {
            factors: serve(&programs.factors, verifying.clone())?,
            credential_lock: serve(&programs.credential_lock, verifying)?,
            tokens,
            data,
            ids,
            users: 0,
            brokers: addresses.kafka_brokers.clone(),
            follow_events: programs.follow_events.clone(),
        })
    }

    /// Imports further users and returns their numbers.
    pub(super) fn import_users(&mut self, count: usize) -> anyhow::Result<Range<usize>> {
        let users = self.users..self.users + count;
        population::import(&self.data, self.ids, users.clone())?;
        self.users = users.end;
        Ok(users)
    }

    /// Returns the id of the n-th user.
    pub(super) fn user_id(&self, n: usize) -> String {
        self.ids.nth(n)
    }

    /// Registers a client that may lock and unlock users. Returns `Bearer …` with its token.
    pub(super) fn register_lock_client(&self, id: &str) -> anyhow::Result<String> {
        let arguments = [
            id,
            "--role",
            "CLI-AUTH-BASIC",
            "--role",
            "CLI-1STPARTY",
            "--scope",
            "account_lock",
            "--scope",
            "account_unlock",
            "--access-token-lifetime",
            "1h",
        ];
        let client = Client::add(&self.data, &arguments)?;
        client.log_in(&mut Connection::open(self.tokens.port)?)
    }

    /// Starts a consumer of the events.
    pub(super) fn start_consumer(&self) -> anyhow::Result<Consumer> {
        Consumer::start(&self.follow_events, &self.brokers)
    }
}

fn shared_settings(data: &DataFolder, addresses: &Addresses, database: String) -> anyhow::Result<Settings> {
    let uri = data.path("mongodb-uri");
    write_secret(&uri, &addresses.mongodb_uri)?;
    let codes = data.path("codes-key");
    write_secret(&codes, &"c0".repeat(32))?;
    Ok(vec![
        ("AUTHME__SECRETS__CODES_FILE", codes.display().to_string()),
        (
            "AUTHME__DELIVERY__FILE",
            data.path("outgoing-codes.jsonl").display().to_string(),
        ),
        ("AUTHME__STORE__MONGODB_URI_FILE", uri.display().to_string()),
        ("AUTHME__STORE__DATABASE", database),
        ("AUTHME__KAFKA__BROKERS", addresses.kafka_brokers.clone()),
        ("AUTHME__KAFKA__REPLICATION", "1".to_owned()),
        // The test servers use no TLS.
        ("AUTHME__STORE__ALLOW_INSECURE", "true".to_owned()),
        ("AUTHME__KAFKA__ALLOW_INSECURE", "true".to_owned()),
        ("AUTHME__TOKENS__ISSUER", "http://bench.example.com".to_owned()),
        ("AUTHME__TOKENS__AUDIENCE", "authme".to_owned()),
    ])
}

/// Creates the file of a secret with mode 0600, because a service rejects a file that other users can read.
fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(secret.as_bytes())?)
}

fn signing_settings(data: &DataFolder) -> anyhow::Result<Settings> {
    data.operate(&["keys", "generate"])?;
    let refresh = data.path("refresh-keys");
    write_secret(&refresh, &"5e".repeat(32))?;
    Ok(vec![
        ("AUTHME__KEYS__DIRECTORY", data.path("data/keys").display().to_string()),
        ("AUTHME__SECRETS__REFRESH_FILE", refresh.display().to_string()),
    ])
}

/// Creates the missing topics. Fails with the service's message when a setting is rejected.
fn create_topics(program: &Path, settings: &Settings) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.arg("--create-topics").envs(settings.iter().cloned());
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the topics cannot be created: {errors}");
    Ok(())
}

fn serve(program: &Path, settings: Settings) -> anyhow::Result<Server> {
    let (port, management) = (free_port(), free_port());
    let mut command = Command::new(program);
    command
        .stderr(Stdio::null())
        .envs(LIMITS)
        .envs(settings)
        .env("AUTHME__HTTP__LISTEN", format!("127.0.0.1:{port}"))
        .env("AUTHME__HTTP__MANAGEMENT", format!("127.0.0.1:{management}"));
    Server::start(command, port, (management, "/health/ready"))
}
