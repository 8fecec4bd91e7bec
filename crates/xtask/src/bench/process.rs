use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::connection::Connection;

/// Limits that the load never reaches, although one client and few users send all of it. The server still checks them
/// at every request.
pub(crate) const LIMITS: [(&str, &str); 3] = [
    ("AUTHME__LIMITS__REQUESTS_PER_CLIENT", "10000000"),
    ("AUTHME__LIMITS__REQUESTS_PER_USER", "10000000"),
    ("AUTHME__TOKENS__NEW_SESSIONS_PER_MINUTE", "10000000"),
];

/// A running server. Dropping it kills the process.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    /// The time from the start of the process to its first 200.
    pub(crate) ready_after: Duration,
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Server {
    /// Starts a program and waits until GET on `health`, a port and a path, returns 200.
    pub(crate) fn start(mut command: Command, port: u16, health: (u16, &str)) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            port,
            ready_after: Duration::ZERO,
        };
        let (health_port, path) = health;
        loop {
            let response =
                Connection::open(health_port).and_then(|mut connection| connection.send("GET", path, "", ""));
            if response.is_ok_and(|response| response.status == 200) {
                server.ready_after = begun.elapsed();
                return Ok(server);
            }
            ensure!(
                server.child.try_wait()?.is_none(),
                "the server ended before it was ready"
            );
            ensure!(
                begun.elapsed() < Duration::from_secs(30),
                "the server was not ready in 30 s"
            );
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Returns the CPU time of its threads since the start, as the scheduler counts it.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += schedstat
                .split_ascii_whitespace()
                .next()
                .context("no schedstat")?
                .parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Runs `action` while the process is stopped by SIGSTOP.
    pub(crate) fn while_paused<T>(&self, action: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.signal("-STOP")?;
        let result = action();
        self.signal("-CONT")?;
        result
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let mut kill = Command::new("kill");
        let status = kill.args([signal, &self.child.id().to_string()]).status()?;
        ensure!(status.success(), "kill {signal} failed");
        Ok(())
    }

    /// Returns the resident memory in MB.
    pub(crate) fn resident_memory(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A data folder of AuthMe. Dropping it removes the folder.
pub(crate) struct DataFolder {
    authme: PathBuf,
    folder: PathBuf,
    /// The variables by which operator commands find a deployed store; empty for the store in the folder.
    store: Vec<(&'static str, String)>,
}

impl DataFolder {
    pub(crate) fn new(authme: &Path) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("authme-bench-{}-{}", std::process::id(), free_port()?));
        fs::create_dir_all(&folder)?;
        Ok(Self {
            authme: authme.to_owned(),
            folder,
            store: Vec::new(),
        })
    }

    /// Creates a data folder whose operator commands use a deployed store.
    pub(crate) fn with_deployed_store(authme: &Path, mongodb_uri: &str, database: &str) -> anyhow::Result<Self> {
        let mut data = Self::new(authme)?;
        data.store = vec![
            ("AUTHME_MONGODB_URI", mongodb_uri.to_owned()),
            ("AUTHME_MONGODB_DATABASE", database.to_owned()),
            ("AUTHME_MONGODB_ALLOW_INSECURE", "true".to_owned()),
        ];
        Ok(data)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.authme);
        command.arg("--data").arg(self.folder.join("data"));
        command.envs(self.store.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs an operator command. Returns the JSON that it prints, or null if it prints none.
    pub(crate) fn operate(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.command().args(arguments).output()?;
        ensure!(
            output.status.success(),
            "authme {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    pub(crate) fn serve(&self) -> anyhow::Result<Server> {
        self.serve_with(&[])
    }

    /// Starts a server with these settings, given as environment variables.
    pub(crate) fn serve_with(&self, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
        let (port, management) = (free_port()?, free_port()?);
        let mut command = self.command();
        command.envs(LIMITS).envs(settings.iter().copied());
        command.args([
            "serve",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--management",
            &format!("127.0.0.1:{management}"),
        ]);
        Server::start(command, port, (management, "/health/ready"))
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
