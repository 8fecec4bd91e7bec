use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::connection::{Connection, basic};
use crate::checkout;

/// The client of every trial: set up for all that the load does.
const CLIENT: &str = "trial";

/// A data folder, and a copy of the program, so that nobody's build gets in between.
pub(super) struct Installation {
    folder: PathBuf,
    secret: String,
}

/// A server over the folder. It is killed when it is dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: String,
}

impl Installation {
    /// Builds the program, and makes an empty folder with the client registered.
    pub(super) fn new(name: &str) -> anyhow::Result<Self> {
        let mut build = checkout::command("cargo");
        build.args(["build", "--quiet", "--locked", "--package", "authme"]);
        checkout::must_succeed(build, "authme cannot be built")?;
        let folder = std::env::temp_dir().join(format!("authme-trial-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::copy(checkout::target()?.join("debug").join("authme"), folder.join("authme"))?;
        let mut installation = Self {
            folder,
            secret: String::new(),
        };
        let roles = ["CLI-1STPARTY", "CLI-AUTH-BASIC", "CLI-AUTH-IDENTIFIED"];
        let mut arguments = vec!["client", "add", CLIENT, "--identity-provider"];
        arguments.extend(roles.iter().flat_map(|role| ["--role", role]));
        for scope in ["account_lock", "account_unlock", "events_read"] {
            arguments.extend(["--scope", scope]);
        }
        arguments.extend(["--factor-visibility", "UNRESTRICTED"]);
        let registered: Value = serde_json::from_str(&installation.operate(&arguments)?)?;
        let secret = registered.get("clientSecret").and_then(Value::as_str);
        secret
            .context("the client has no secret")?
            .clone_into(&mut installation.secret);
        Ok(installation)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The program over some data folder.
    pub(super) fn over(&self, data: &Path) -> Command {
        let mut command = Command::new(self.folder.join("authme"));
        command.arg("--data").arg(data).stdin(Stdio::null());
        command
    }

    /// Runs an operator's command; what it prints.
    pub(super) fn operate(&self, arguments: &[&str]) -> anyhow::Result<String> {
        output(self.over(&self.data()).args(arguments))
    }

    /// Registers users with nothing but an e-mail and the roles that a user has.
    pub(super) fn import(&self, users: &[String]) -> anyhow::Result<()> {
        let file = self.folder.join("users.jsonl");
        let mut lines = fs::File::create(&file)?;
        for user in users {
            let email = json!({"address": format!("{user}@example.com")});
            writeln!(
                lines,
                "{}",
                json!({"userId": user, "email": email, "roles": ["AUTH-BASIC", "USER"]})
            )?;
        }
        let file = file.to_str().context("the temporary folder has a strange name")?;
        self.operate(&["identity", "import", file]).map(drop)
    }

    pub(super) fn serve(&self) -> anyhow::Result<Server> {
        let mut command = self.over(&self.data());
        command.args(["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"]);
        // One client asks for everybody.
        command.env("AUTHME__LIMITS__REQUESTS_PER_CLIENT", "0");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("authme cannot be started")?;
        let stderr = child.stderr.take().context("authme has no stderr")?;
        let mut server = Server {
            child,
            address: String::new(),
        };
        server.address = address(&lines(stderr))?;
        Ok(server)
    }

    /// A connection of the client, logged in.
    pub(super) fn connect(&self, server: &Server) -> anyhow::Result<Connection> {
        let mut connection = Connection::open(&server.address, basic(CLIENT, &self.secret))?;
        let tokens = connection.post("/client-identities/login", &json!({}))?.json()?;
        let token = tokens.get("accessToken").and_then(Value::as_str);
        connection.authorise(format!("Bearer {}", token.context("no access token")?));
        Ok(connection)
    }
}

impl Drop for Installation {
    /// What failed is kept for whoever wants to see.
    fn drop(&mut self) {
        if !self.folder.join("failed").exists() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Server {
    /// Ends it without warning.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the server ended by itself");
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whatever `work` does, the server stands still meanwhile, wherever it is.
    pub(super) fn while_it_stands_still<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.signal("-STOP")?;
        let done = work();
        self.signal("-CONT")?;
        done
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        output(Command::new("kill").arg(signal).arg(self.child.id().to_string())).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program that must succeed; its output.
pub(super) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {} {errors}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The lines of stderr, read to the end by a thread of its own: the server never waits for us.
fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// The address in the line that says the server is up.
fn address(lines: &Receiver<String>) -> anyhow::Result<String> {
    let mut said = Vec::new();
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(30)) {
        let address = line
            .split_once("AuthMe serves http://")
            .and_then(|(_, rest)| rest.split_once(','));
        if let Some((address, _)) = address {
            return Ok(address.to_owned());
        }
        said.push(line);
    }
    bail!("the server did not start: {}", said.join("\n"))
}
