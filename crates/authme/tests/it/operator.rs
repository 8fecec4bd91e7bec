//! Runs the real `authme` command as an operator does.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{ANA_MAIL, BIA_MAIL, BUSINESS, ROOT_MAIL, secret_of};

fn authme() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authme"));
    command.env_clear();
    command
}

/// The result of a finished command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandOutput {
    /// Returns the objects on stdout. Panics if a line is not JSON.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {self:?}"));
        self.stdout.lines().map(line).collect()
    }

    /// Returns the only object of a successful command.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }
}

/// Runs a command on a data folder.
pub(crate) fn run_in<S: AsRef<OsStr>>(data: &Path, arguments: &[S], stdin: &[u8]) -> CommandOutput {
    let mut command = authme();
    command.arg("--data").arg(data).args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    // The command may end without reading stdin.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin);
    let output = child.wait_with_output().expect("the command ends");
    CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// An operator with a data folder.
pub(crate) struct Operator(TempDir);

impl Operator {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Returns the data folder, which the first command creates.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Returns the folder around the data folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Writes a file next to the data folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("the file can be written");
        path
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> CommandOutput {
        self.run_with(arguments, b"")
    }

    pub(crate) fn run_with<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &[u8]) -> CommandOutput {
        run_in(&self.data(), arguments, stdin)
    }

    /// Runs a command and kills it after a delay, unless it has ended before.
    pub(crate) fn run_killed<S: AsRef<OsStr>>(&self, arguments: &[S], delay: Duration) {
        let mut command = authme();
        command.arg("--data").arg(self.data()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the command starts");
        std::thread::sleep(delay);
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn run_ok<S: AsRef<OsStr>>(&self, arguments: &[S]) -> CommandOutput {
        let done = self.run(arguments);
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    }

    /// Adds names of roles or scopes.
    pub(crate) fn add_names(&self, kind: &str, names: &[&str]) {
        for name in names {
            self.run_ok(&[kind, "add", name]);
        }
    }

    /// Registers the clients and users that process tests need, by commands.
    pub(crate) fn register_fixtures(&self) {
        let (application, machine) = (
            ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"],
            ["CLI-AUTH-BASIC", "CLI-1STPARTY"],
        );
        let clients: [(&str, [&str; 2], &[&str]); 5] = [
            (
                "portal",
                application,
                &[
                    "--saml",
                    "--identity-provider",
                    "--factor-visibility",
                    "UNRESTRICTED",
                    "--administration",
                ],
            ),
            ("shop", application, &["--saml"]),
            ("maker", application, &["--saml", "--create-users"]),
            ("gateway", machine, &["--scope", "SAML_SSO", "--may-assert", "*"]),
            (
                "locker",
                machine,
                &[
                    "--scope",
                    "account_lock",
                    "--scope",
                    "account_unlock",
                    "--scope",
                    "events_read",
                ],
            ),
        ];
        for (id, roles, more) in clients {
            let secret = self.file(&format!("{id}.secret"), secret_of(id));
            let mut arguments: Vec<&OsStr> = ["client", "add", id].map(OsStr::new).to_vec();
            arguments.extend(["--role", roles[0], "--role", roles[1], "--secret-file"].map(OsStr::new));
            arguments.push(secret.as_os_str());
            arguments.extend(more.iter().map(OsStr::new));
            self.run_ok(&arguments);
        }
        let roles = ["--role", "AUTH-BASIC", "--role", "USER"];
        let business = format!("{BUSINESS}=BUYER");
        self.add_names("role", &["BUYER"]);
        let users: [&[&str]; 3] = [
            &["--id", "ana", "--email", ANA_MAIL, "--business", &business],
            &[
                "--id",
                "bia",
                "--email",
                BIA_MAIL,
                "--mobile",
                "55,11,911110000",
                "--main-contact",
                "MOBILE",
            ],
            &["--id", "root", "--email", ROOT_MAIL, "--role", "IAM_ADMIN_MAINTENANCE"],
        ];
        for user in users {
            self.run_ok(&[&["identity", "add"], user, &roles].concat());
        }
    }
}

/// A running `authme serve` on free ports.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    /// The announcement with the address of the API.
    pub(crate) announcement: String,
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Serving {
    pub(crate) fn start(operator: &Operator, environment: &[(&str, &str)]) -> Self {
        Self::start_as(authme(), operator, environment, "127.0.0.1:0")
    }

    /// Starts a server with a known management port.
    pub(crate) fn start_with_management(
        operator: &Operator,
        environment: &[(&str, &str)],
        management: SocketAddr,
    ) -> Self {
        Self::start_as(authme(), operator, environment, &management.to_string())
    }

    /// Starts a server with a limit of open files and a known management port.
    pub(crate) fn start_with_open_files(operator: &Operator, limit: u32, management: SocketAddr) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        shell.env_clear();
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_authme")]);
        Self::start_as(shell, operator, &[], &management.to_string())
    }

    /// Starts a server as the user `nobody`. Needs root.
    pub(crate) fn start_as_nobody(operator: &Operator) -> Self {
        let mut command = Command::new("setpriv");
        command
            .env_clear()
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg(env!("CARGO_BIN_EXE_authme"));
        Self::start_as(command, operator, &[], "127.0.0.1:0")
    }

    /// Starts a server that gets an error, and not a signal, when it writes beyond its limit of file sizes.
    pub(crate) fn start_without_size_signal(operator: &Operator, management: SocketAddr) -> Self {
        let mut shell = Command::new("sh");
        shell.env_clear();
        shell.args(["-c", "trap '' XFSZ && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_authme")]);
        Self::start_as(shell, operator, &[], &management.to_string())
    }

    /// Sets the limit of file sizes of the running server, in bytes or `unlimited`.
    pub(crate) fn limit_file_size(&self, limit: &str) {
        let limit = format!("--fsize={limit}:");
        let status = Command::new("prlimit")
            .args(["--pid", &self.child.id().to_string(), &limit])
            .status();
        assert!(status.expect("prlimit of util-linux exists").success());
    }

    fn start_as(mut command: Command, operator: &Operator, environment: &[(&str, &str)], management: &str) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--management", management, "--data"]);
        command.arg(operator.data()).envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut log = String::new();
        let announcement = loop {
            let mut line = String::new();
            let read = stderr.read_line(&mut line).expect("the log can be read");
            assert_ne!(read, 0, "the server ended before its announcement: {log}");
            log.push_str(&line);
            let message = serde_json::from_str::<Value>(&line)
                .ok()
                .map(|line| line["message"].clone());
            if let Some(Value::String(message)) = message
                && message.starts_with("AuthMe serves ")
            {
                break message;
            }
        };
        let address = announcement
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let address = address.and_then(|address| address.parse().ok()).expect("an address");
        // Reads stderr to its end; a full pipe would block the server.
        let log = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = std::io::Read::read_to_end(&mut stderr, &mut bytes);
            log.push_str(&String::from_utf8_lossy(&bytes));
            log
        });
        Self {
            address,
            announcement,
            child,
            log: Some(log),
        }
    }

    /// Returns the resident memory, in kB.
    pub(crate) fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the kernel reports the memory")
    }

    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(kill.expect("a kill command exists").success());
    }

    /// Sends SIGTERM, and returns the exit code and all of stderr.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let status = self.child.wait().expect("it ends");
        let log = self.log.take().expect("it is read once").join();
        (status.code(), log.expect("the log is read to its end"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a loopback address on which nothing listens.
pub(crate) fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a port has an address")
}

/// Polls until the condition holds. Promises of one or two seconds get more time on a busy machine.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{what}: not within ten seconds"
        );
    }
}

/// A running `authme events --follow`, which keeps the store open.
pub(crate) struct Following(Child);

impl Following {
    /// Starts the command, and waits until it has opened the store.
    pub(crate) fn start(operator: &Operator) -> Self {
        let mut command = authme();
        command.args(["events", "--follow", "--data"]).arg(operator.data());
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let following = Self(started.expect("the command starts"));
        let is_open = || {
            let folder = std::fs::read_dir(format!("/proc/{}/fd", following.0.id()));
            let mut files = folder.expect("it runs").flatten();
            files.any(|file| std::fs::read_link(file.path()).is_ok_and(|path| path.ends_with("authme.sqlite")))
        };
        eventually("an open store", is_open);
        following
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
