use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use super::follower::{Follower, microseconds};
use crate::bench::connection::Connection;
use crate::bench::population::{self, BASE, Client, UserIds};
use crate::bench::process::{Data, LIMITS, Server, free_port};
use crate::bench::programs::ServicePrograms;
use crate::servers::Addresses;

/// The three services over a database of their own.
///
/// The topics are everybody's, so the ids of its users are those of no other run. The database goes with the servers.
pub(super) struct Deployment {
    pub(super) tokens: Server,
    pub(super) factors: Server,
    pub(super) credential_lock: Server,
    pub(super) data: Data,
    ids: UserIds,
    users: usize,
    brokers: String,
    follow_events: PathBuf,
}

/// The settings of a service, as its environment.
type Settings = Vec<(&'static str, String)>;

impl Deployment {
    pub(super) fn start(programs: &ServicePrograms, addresses: &Addresses) -> anyhow::Result<Self> {
        let ids = UserIds(u32::try_from(microseconds() >> 8 & u64::from(u32::MAX))?);
        let database = format!("authme_bench_{}", ids.of(0));
        let data = Data::beside_store(&programs.operator, &addresses.mongodb_uri, &database)?;
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

    /// Stores so many more users.
    pub(super) fn fresh_users(&mut self, count: usize) -> anyhow::Result<Range<usize>> {
        let users = self.users..self.users + count;
        population::import(&self.data, self.ids, users.clone())?;
        self.users = users.end;
        Ok(users)
    }

    /// The id of the n-th user.
    pub(super) fn user(&self, n: usize) -> String {
        self.ids.of(n)
    }

    /// A client that may lock and unlock; its `Bearer …`.
    pub(super) fn desk(&self, id: &str) -> anyhow::Result<String> {
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

    /// A consumer of the events of its users.
    pub(super) fn follow(&self) -> anyhow::Result<Follower> {
        Follower::start(&self.follow_events, &self.brokers)
    }
}

fn shared_settings(data: &Data, addresses: &Addresses, database: String) -> anyhow::Result<Settings> {
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
        // Wherever the variables of the servers point.
        ("AUTHME__STORE__ALLOW_INSECURE", "true".to_owned()),
        ("AUTHME__KAFKA__ALLOW_INSECURE", "true".to_owned()),
        ("AUTHME__TOKENS__ISSUER", "http://bench.example.com".to_owned()),
        ("AUTHME__TOKENS__AUDIENCE", "authme".to_owned()),
    ])
}

/// Makes the file of a secret, which a service takes only when nobody else can read it.
fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(secret.as_bytes())?)
}

fn signing_settings(data: &Data) -> anyhow::Result<Settings> {
    data.operate(&["keys", "generate"])?;
    let refresh = data.path("refresh-keys");
    write_secret(&refresh, &"5e".repeat(32))?;
    Ok(vec![
        ("AUTHME__KEYS__DIRECTORY", data.path("data/keys").display().to_string()),
        ("AUTHME__SECRETS__REFRESH_FILE", refresh.display().to_string()),
    ])
}

/// Makes the topics that are missing. Settings that are refused show here.
fn create_topics(program: &Path, settings: &Settings) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.arg("--create-topics").envs(settings.iter().cloned());
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the topics cannot be made: {errors}");
    Ok(())
}

fn serve(program: &Path, settings: Settings) -> anyhow::Result<Server> {
    let (port, management) = (free_port()?, free_port()?);
    let mut command = Command::new(program);
    command
        .envs(LIMITS)
        .envs(settings)
        .env("AUTHME__HTTP__LISTEN", format!("127.0.0.1:{port}"))
        .env("AUTHME__HTTP__MANAGEMENT", format!("127.0.0.1:{management}"));
    Server::start(command, port, (management, "/health/ready"))
}
