//! A mail server: aiosmtpd, run by the script smtp.py. It is started and stopped independently of the other servers.

use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::addresses::is_reachable;
use super::folder::{Folder, remove};
use super::process::{Process, Signal};
use super::registries::is_installed;
use super::status::Status;
use crate::{checkout, shell};

pub(super) const VARIABLE: &str = "AUTHME_TEST_SMTP";

const VERSION: &str = "1.4.6";
/// The packages with all their dependencies.
const PACKAGES: [&str; 8] = [
    "aiosmtpd==1.4.6",
    "atpublic==9.0.0",
    "attrs==26.1.0",
    "cffi==2.1.1",
    "cryptography==50.0.2",
    "idna==3.20",
    "pycparser==3.12",
    // Creates the certificates.
    "trustme==1.2.1",
];
const SCRIPT: &str = include_str!("smtp.py");

/// The file of the cache folder in which the process is recorded.
const RECORD: &str = "smtp.json";

/// A mail server, identified by the description file that smtp.py writes. Its `Display` form is a shell assignment of
/// the variable that names this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailServer {
    description: PathBuf,
}

/// The members of the description file that a task needs.
#[derive(Deserialize)]
struct Description {
    host: String,
    starttls_port: u16,
}

impl MailServer {
    fn at(description: PathBuf) -> Self {
        Self { description }
    }

    /// Returns the mail server that the environment names.
    #[expect(
        clippy::disallowed_methods,
        reason = "the servers of tests are not an AuthMe setting"
    )]
    fn from_environment() -> Option<Self> {
        let description = env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
        Some(Self::at(description.into()))
    }

    /// Returns the mail server that `up` starts.
    fn own(folder: &Folder) -> Self {
        Self::at(data_folder(folder).join("server.json"))
    }

    /// Returns the variable by which tests find the mail server.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (VARIABLE, self.description.display().to_string())
    }

    /// Returns the address of the STARTTLS port, and whether it is reachable.
    fn address(&self) -> anyhow::Result<(String, bool)> {
        let path = self.description.display();
        let json = fs::read(&self.description).with_context(|| format!("cannot read {path}"))?;
        let description: Description = serde_json::from_slice(&json).with_context(|| format!("cannot parse {path}"))?;
        let address = format!("{}:{}", description.host, description.starttls_port);
        let is_reachable = is_reachable(&address);
        Ok((address, is_reachable))
    }

    fn is_reachable(&self) -> bool {
        self.address().is_ok_and(|(_, is_reachable)| is_reachable)
    }

    fn status(&self, source: &'static str, process: Option<Process>) -> Status {
        let unknown = || (self.description.display().to_string(), false);
        Status {
            server: "smtp",
            source,
            address: self.address().unwrap_or_else(|_| unknown()),
            processes: process.map(|process| ("aiosmtpd", process)).into_iter().collect(),
        }
    }
}

impl fmt::Display for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (variable, path) = self.variable();
        write!(f, "{variable}={}", shell::quote(&path))
    }
}

/// Returns the mail server once it is reachable. Starts it unless the environment names one or it is already up.
pub(crate) fn ensure_up() -> anyhow::Result<MailServer> {
    if let Some(server) = MailServer::from_environment() {
        let (address, is_reachable) = server
            .address()
            .with_context(|| format!("{VARIABLE} names no mail server"))?;
        ensure!(
            is_reachable,
            "{VARIABLE} is set, but nothing accepts connections at {address}: start that server, or unset the variable"
        );
        return Ok(server);
    }
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    match folder.read_record::<Process>(RECORD)? {
        Some(process) if is_own_up(&folder, process) => {}
        leftover => {
            if leftover.is_some() {
                stop(&folder)?;
            }
            start(&folder)?;
        }
    }
    Ok(MailServer::own(&folder))
}

/// Returns whether the environment names a mail server, or the one that `up` started is up.
pub(super) fn is_up() -> bool {
    let is_own_server_up = || -> anyhow::Result<bool> {
        let folder = Folder::open()?;
        let process = folder.read_record(RECORD)?;
        Ok(process.is_some_and(|process| is_own_up(&folder, process)))
    };
    MailServer::from_environment().is_some() || is_own_server_up().unwrap_or(false)
}

fn is_own_up(folder: &Folder, process: Process) -> bool {
    process.is_running() && MailServer::own(folder).is_reachable()
}

/// Returns the status of the mail server that the environment names, else of the one that `up` started.
pub(super) fn status(folder: &Folder) -> anyhow::Result<Option<Status>> {
    let process = folder.read_record(RECORD)?;
    let own = MailServer::own(folder);
    Ok(match (MailServer::from_environment(), process) {
        // After `export $(cargo xtask servers up)` the environment names the server that `up` started.
        (named, Some(process)) if named.as_ref().is_none_or(|named| *named == own) => {
            Some(own.status("registries", Some(process)))
        }
        (Some(named), _) => Some(named.status("environment", None)),
        (None, _) => None,
    })
}

/// Starts the mail server with an empty mailbox and new certificates.
fn start(folder: &Folder) -> anyhow::Result<()> {
    ensure!(
        is_installed("python3"),
        "no mail server is available: set {VARIABLE} to the description of yours, or install python3 with its module venv"
    );
    let python = install(folder)?.join("bin/python");
    let (script, data, log) = (folder.join("smtp.py"), data_folder(folder), folder.log("smtp"));
    remove(&data)?;
    fs::write(&script, SCRIPT)?;
    eprintln!("starting the mail server");
    let mut server = Command::new(python);
    server.arg(script).arg(&data);
    let process = Process::spawn(server, &log)?;
    folder.write_record(RECORD, &process)?;
    let description = data.join("server.json");
    let ready = process.wait_until_ready(&log, || description.exists());
    if ready.is_err() && process.stop(Signal::Terminate).is_ok() {
        folder.remove_record(RECORD)?;
    }
    ready.context("the mail server did not start")
}

fn install(folder: &Folder) -> anyhow::Result<PathBuf> {
    folder.install(&format!("aiosmtpd-{VERSION}"), |into| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(into);
        run_with_output_on_stderr(venv)?;
        let mut pip = Command::new(into.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"]);
        pip.args(PACKAGES);
        run_with_output_on_stderr(pip)
    })
}

fn run_with_output_on_stderr(mut python: Command) -> anyhow::Result<()> {
    python.stdout(Stdio::from(io::stderr()));
    checkout::must_succeed(python, "python3 failed with the message above")
}

fn data_folder(folder: &Folder) -> PathBuf {
    folder.join(Path::new("smtp-data"))
}

/// Stops the mail server that `ensure_up` started. Returns whether it had started one.
pub(super) fn stop(folder: &Folder) -> anyhow::Result<bool> {
    let Some(process) = folder.read_record::<Process>(RECORD)? else {
        return Ok(false);
    };
    process.stop(Signal::Terminate)?;
    folder.remove_record(RECORD)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_read_from_the_description() {
        let path = env::temp_dir().join(format!("authme-xtask-{}-smtp.json", std::process::id()));
        fs::write(&path, r#"{"host":"127.0.0.1","starttls_port":1,"tls_port":2}"#).unwrap();
        let server = MailServer::at(path.clone());
        assert_eq!(server.address().unwrap(), ("127.0.0.1:1".to_owned(), false));
        fs::remove_file(path).unwrap();
        assert!(server.address().unwrap_err().to_string().starts_with("cannot read"));
    }

    #[test]
    fn path_is_read_back_by_a_shell() {
        let server = MailServer::at("/tmp/a folder/server.json".into());
        let script = format!("{server}\nprintf %s \"${VARIABLE}\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, b"/tmp/a folder/server.json");
    }
}
