//! AuthMe as a process, on a data folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::checkout::run_for_output;
use crate::http::returns_ok;
use crate::ports::free_port;

const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills the process.
pub struct Server {
    child: Child,
    pub port: u16,
    /// The time from the start of the process to its first 200.
    pub ready_after: Duration,
}

impl Server {
    /// Starts a program and waits until GET on `health`, a port and a path, returns 200.
    pub fn start(mut command: Command, port: u16, health: (u16, &str)) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut server = Self {
            child,
            port,
            ready_after: Duration::ZERO,
        };
        while !returns_ok(health.0, health.1) {
            ensure!(
                server.child.try_wait()?.is_none(),
                "the server ended before it was ready"
            );
            ensure!(
                begun.elapsed() < READY_TIMEOUT,
                "the server was not ready in {} s",
                READY_TIMEOUT.as_secs()
            );
            thread::sleep(Duration::from_micros(500));
        }
        server.ready_after = begun.elapsed();
        Ok(server)
    }

    /// Kills the process (SIGKILL). Fails if it has already ended.
    pub fn kill(mut self) -> anyhow::Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the server ended by itself");
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Runs `action` while the process is stopped by SIGSTOP.
    pub fn while_paused<T>(&self, action: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.signal("-STOP")?;
        let result = action();
        self.signal("-CONT")?;
        result
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        run_for_output(Command::new("kill").arg(signal).arg(self.child.id().to_string())).map(drop)
    }

    /// Returns the CPU time of its threads since the start, as the scheduler counts it.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
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

    /// Returns the resident memory in MB.
    pub fn resident_memory(&self) -> anyhow::Result<f64> {
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

/// A temporary folder with a data folder of AuthMe. Dropping it removes the folder.
pub struct DataFolder {
    authme: PathBuf,
    folder: TempDir,
    /// The variables by which operator commands find a deployed store; empty for the store in the folder.
    store: Vec<(&'static str, String)>,
}

impl DataFolder {
    pub fn new(authme: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            authme: authme.to_owned(),
            folder: TempDir::with_prefix("authme-test-")?,
            store: Vec::new(),
        })
    }

    /// Creates a folder with a copy of the program, which another build of the original does not change.
    pub fn with_copy_of(authme: &Path) -> anyhow::Result<Self> {
        let mut data = Self::new(authme)?;
        data.authme = data.path("authme");
        fs::copy(authme, &data.authme).with_context(|| format!("{} cannot be copied", authme.display()))?;
        Ok(data)
    }

    /// Creates a data folder whose operator commands use a deployed store.
    pub fn with_deployed_store(authme: &Path, mongodb_uri: &str, database: &str) -> anyhow::Result<Self> {
        let mut data = Self::new(authme)?;
        data.store = vec![
            ("AUTHME_MONGODB_URI", mongodb_uri.to_owned()),
            ("AUTHME_MONGODB_DATABASE", database.to_owned()),
            ("AUTHME_MONGODB_ALLOW_INSECURE", "true".to_owned()),
        ];
        Ok(data)
    }

    /// Keeps the folder for examination.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// Returns a path in the temporary folder. The data folder is `data`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a command of AuthMe on another data folder.
    pub fn command_on(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.authme);
        command.arg("--data").arg(data).stdin(Stdio::null());
        command.envs(self.store.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs an operator command and returns its output.
    pub fn operate(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run_for_output(self.command_on(&self.path("data")).args(arguments))
    }

    /// Starts a server with these settings, given as environment variables.
    pub fn serve(&self, settings: &[(&str, &str)], stderr: impl Into<Stdio>) -> anyhow::Result<Server> {
        let (port, management) = (free_port(), free_port());
        let mut command = self.command_on(&self.path("data"));
        command.envs(settings.iter().copied()).stderr(stderr);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.args(["--management", &format!("127.0.0.1:{management}")]);
        Server::start(command, port, (management, "/health/ready"))
    }
}
