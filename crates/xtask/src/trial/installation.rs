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

/// The client that sends every request of a trial. It has the permissions for all of them.
const CLIENT: &str = "trial";

/// A data folder and a copy of the program. Another build that replaces the original does not change the copy.
pub(super) struct Installation {
    folder: PathBuf,
    secret: String,
}

/// A running server of an installation. Dropping it kills the process.
pub(super) struct Server {
    child: Child,
    pub(super) address: String,
}

impl Installation {
    /// Builds the program, creates a folder and registers the client.
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

    /// Returns a command that runs the program on a data folder.
    pub(super) fn command(&self, data: &Path) -> Command {
        let mut command = Command::new(self.folder.join("authme"));
        command.arg("--data").arg(data).stdin(Stdio::null());
        command
    }

    /// Runs an operator's command and returns its output.
    pub(super) fn operate(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run_for_output(self.command(&self.data()).args(arguments))
    }

    /// Imports users with an e-mail address and the roles of a user.
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
        let file = file.to_str().context("the path of the temporary folder is not UTF-8")?;
        self.operate(&["identity", "import", file]).map(drop)
    }

    pub(super) fn serve(&self) -> anyhow::Result<Server> {
        let mut command = self.command(&self.data());
        command.args(["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"]);
        // One client sends the requests of all users.
        command.env("AUTHME__LIMITS__REQUESTS_PER_CLIENT", "0");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("authme cannot be started")?;
        let stderr = child.stderr.take().context("authme has no stderr")?;
        let mut server = Server {
            child,
            address: String::new(),
        };
        server.address = await_address(&read_lines(stderr))?;
        Ok(server)
    }

    /// Opens a connection and logs the client in.
    pub(super) fn connect(&self, server: &Server) -> anyhow::Result<Connection> {
        let mut connection = Connection::open(&server.address, basic(CLIENT, &self.secret))?;
        let tokens = connection.post("/client-identities/login", &json!({}))?.json()?;
        let token = tokens.get("accessToken").and_then(Value::as_str);
        connection.set_authorization(format!("Bearer {}", token.context("no access token")?));
        Ok(connection)
    }
}

impl Drop for Installation {
    /// Removes the folder, unless it is kept for examination after a failure.
    fn drop(&mut self) {
        if !self.folder.join("failed").exists() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Server {
    /// Kills the process. Fails if it has already ended.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the server ended by itself");
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Runs `action` while the process is stopped by SIGSTOP.
    pub(super) fn while_paused<T>(&self, action: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.signal("-STOP")?;
        let result = action();
        self.signal("-CONT")?;
        result
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        run_for_output(Command::new("kill").arg(signal).arg(self.child.id().to_string())).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program that has to succeed, and returns its output.
pub(super) fn run_for_output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {} {errors}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Reads stderr in a thread of its own, so that the server never blocks on a full pipe.
fn read_lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Waits for the log line of a started server, and returns the address in it.
fn await_address(lines: &Receiver<String>) -> anyhow::Result<String> {
    let mut other_lines = Vec::new();
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(30)) {
        let address = line
            .split_once("AuthMe serves http://")
            .and_then(|(_, rest)| rest.split_once(','));
        if let Some((address, _)) = address {
            return Ok(address.to_owned());
        }
        other_lines.push(line);
    }
    bail!("the server did not start: {}", other_lines.join("\n"))
}
