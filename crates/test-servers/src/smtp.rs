//! A mail server: aiosmtpd, run by the script smtp.py. It is started and stopped independently of the other servers.

use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::addresses::{is_reachable, quote};
use crate::folder::Folder;
use crate::process::Process;
use crate::registries::Script;
use crate::status::Status;

const VARIABLE: &str = "AUTHME_TEST_SMTP";

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
    /// Returns the mail server that the environment names.
    #[expect(
        clippy::disallowed_methods,
        reason = "the servers of tests are not an AuthMe setting"
    )]
    fn from_environment() -> Option<Self> {
        let path = env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
        Some(Self {
            description: path.into(),
        })
    }

    /// Returns the mail server that `up` starts.
    fn own(folder: &Folder) -> Self {
        Self {
            description: folder.path().join("smtp-data/server.json"),
        }
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
        write!(f, "{variable}={}", quote(&path))
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
    if !is_own_up(&folder)? {
        stop(&folder)?;
        start(&folder)?;
    }
    Ok(MailServer::own(&folder))
}

/// Returns whether the environment names a mail server, or the one that `up` started is up.
pub(crate) fn is_up() -> bool {
    let is_own_up = || Folder::open().and_then(|folder| is_own_up(&folder));
    MailServer::from_environment().is_some() || is_own_up().unwrap_or(false)
}

fn is_own_up(folder: &Folder) -> anyhow::Result<bool> {
    let process = folder.read_record::<Process>(RECORD)?;
    let is_running = process.is_some_and(|process| process.is_running());
    Ok(is_running
        && MailServer::own(folder)
            .address()
            .is_ok_and(|(_, is_reachable)| is_reachable))
}

/// Returns the status of the mail server that the environment names, else of the one that `up` started.
pub(crate) fn status(folder: &Folder) -> anyhow::Result<Option<Status>> {
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
    let script = Script::new(folder);
    script.run("install_smtp").with_context(|| {
        format!(
            "no mail server is available: set {VARIABLE} to the description of yours, or install python3 with its module venv"
        )
    })?;
    eprintln!("starting the mail server");
    let process = script.spawn_empty("smtp")?;
    folder.write_record(RECORD, &process)?;
    let description = MailServer::own(folder).description;
    let ready = process.wait_until_ready(&folder.log("smtp"), || description.exists());
    if ready.is_err() && process.stop("TERM").is_ok() {
        folder.remove_record(RECORD)?;
    }
    ready.context("the mail server did not start")
}

/// Stops the mail server that `ensure_up` started. Returns whether it had started one.
pub(crate) fn stop(folder: &Folder) -> anyhow::Result<bool> {
    let Some(process) = folder.read_record::<Process>(RECORD)? else {
        return Ok(false);
    };
    process.stop("TERM")?;
    folder.remove_record(RECORD)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn address_is_read_from_the_description() {
        let folder = tempfile::tempdir().unwrap();
        let description = folder.path().join("server.json");
        let server = MailServer {
            description: description.clone(),
        };
        fs::write(&description, r#"{"host":"127.0.0.1","starttls_port":1,"tls_port":2}"#).unwrap();
        assert_eq!(server.address().unwrap(), ("127.0.0.1:1".to_owned(), false));
        fs::remove_file(description).unwrap();
        assert!(server.address().unwrap_err().to_string().starts_with("cannot read"));
    }

    #[test]
    fn path_is_read_back_by_a_shell() {
        let server = MailServer {
            description: "/tmp/a folder/server.json".into(),
        };
        let script = format!("{server}\nprintf %s \"${VARIABLE}\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, b"/tmp/a folder/server.json");
    }
}
