//! A mail server: aiosmtpd, with a script of ours around it. It comes and goes by itself, whatever way the others are on.

use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::addresses::{answers, shell_word};
use super::folder::{Folder, remove};
use super::process::{Process, Signal};
use super::registries::is_there;
use super::status::Status;
use crate::checkout;

const VARIABLE: &str = "AUTHME_TEST_SMTP";

const VERSION: &str = "1.4.6";
/// With all that they need.
const PACKAGES: [&str; 8] = [
    "aiosmtpd==1.4.6",
    "atpublic==9.0.0",
    "attrs==26.1.0",
    "cffi==2.1.1",
    "cryptography==50.0.2",
    "idna==3.20",
    "pycparser==3.12",
    // Makes the certificates.
    "trustme==1.2.1",
];
const SCRIPT: &str = include_str!("smtp.py");

/// The file of the cache folder in which the process is recorded.
const RECORD: &str = "smtp.json";

/// Where tests find the mail server: in a file that describes it, as `smtp.py` writes it. Shown as the variable that
/// names the file, fit for `eval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailServer {
    description: PathBuf,
}

/// What a task needs to know of a description.
#[derive(Deserialize)]
struct Description {
    host: String,
    starttls_port: u16,
}

impl MailServer {
    fn at(description: PathBuf) -> Self {
        Self { description }
    }

    /// What the environment says; `None` when it says nothing.
    #[expect(clippy::disallowed_methods, reason = "the servers of tests are no setting of AuthMe")]
    fn given() -> Option<Self> {
        let description = env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
        Some(Self::at(description.into()))
    }

    fn ours(folder: &Folder) -> Self {
        Self::at(data(folder).join("server.json"))
    }

    /// What tests find in their environment.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (VARIABLE, self.description.display().to_string())
    }

    /// The host and a port, and whether they answer.
    fn address(&self) -> anyhow::Result<(String, bool)> {
        let path = self.description.display();
        let json = fs::read(&self.description).with_context(|| format!("cannot read {path}"))?;
        let description: Description =
            serde_json::from_slice(&json).with_context(|| format!("cannot understand {path}"))?;
        let address = format!("{}:{}", description.host, description.starttls_port);
        let answers = answers(&address);
        Ok((address, answers))
    }

    fn answers(&self) -> bool {
        self.address().is_ok_and(|(_, answers)| answers)
    }

    fn status(&self, way: &'static str, process: Option<Process>) -> Status {
        let unknown = || (self.description.display().to_string(), false);
        Status {
            server: "smtp",
            way,
            address: self.address().unwrap_or_else(|_| unknown()),
            processes: process.map(|process| ("aiosmtpd", process)).into_iter().collect(),
        }
    }
}

impl fmt::Display for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (variable, path) = self.variable();
        write!(f, "{variable}={}", shell_word(&path))
    }
}

/// Where the mail server is, once it answers: starts it unless it is given or up.
pub(crate) fn ensure_up() -> anyhow::Result<MailServer> {
    if let Some(given) = MailServer::given() {
        let (address, answers) = given
            .address()
            .with_context(|| format!("{VARIABLE} names no mail server"))?;
        ensure!(
            answers,
            "{VARIABLE} is set, but nothing answers at {address}: start that server, or unset the variable"
        );
        return Ok(given);
    }
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    match folder.recorded::<Process>(RECORD)? {
        Some(process) if is_ours_up(&folder, process) => {}
        remains => {
            if remains.is_some() {
                end(&folder)?;
            }
            begin(&folder)?;
        }
    }
    Ok(MailServer::ours(&folder))
}

/// Whether `ensure_up` would find it up.
pub(super) fn is_up() -> bool {
    let recorded = || -> anyhow::Result<bool> {
        let folder = Folder::open()?;
        let process = folder.recorded(RECORD)?;
        Ok(process.is_some_and(|process| is_ours_up(&folder, process)))
    };
    MailServer::given().is_some() || recorded().unwrap_or(false)
}

fn is_ours_up(folder: &Folder, process: Process) -> bool {
    process.runs() && MailServer::ours(folder).answers()
}

/// The given one, else the one that `up` started, if there is one.
pub(super) fn status(folder: &Folder) -> anyhow::Result<Option<Status>> {
    let recorded = folder.recorded(RECORD)?;
    let ours = MailServer::ours(folder);
    Ok(match (MailServer::given(), recorded) {
        // Who took over what `up` printed is given our own server.
        (given, Some(process)) if given.as_ref().is_none_or(|given| *given == ours) => {
            Some(ours.status("registries", Some(process)))
        }
        (Some(given), _) => Some(given.status("given", None)),
        (None, _) => None,
    })
}

/// With no mails. The certificates are new.
fn begin(folder: &Folder) -> anyhow::Result<()> {
    ensure!(
        is_there("python3"),
        "there is no way to a mail server here: name yours by {VARIABLE}, or get python3 (with its module venv)"
    );
    let python = installed(folder)?.join("bin/python");
    let (script, data, log) = (folder.join("smtp.py"), data(folder), folder.log("smtp"));
    remove(&data)?;
    fs::write(&script, SCRIPT)?;
    eprintln!("starting the mail server");
    let mut server = Command::new(python);
    server.arg(script).arg(&data);
    let process = Process::spawn(server, &log)?;
    folder.record_as(RECORD, &process)?;
    let description = data.join("server.json");
    let ready = process.wait_until_ready(&log, || description.exists());
    if ready.is_err() && process.end(Signal::Terminate).is_ok() {
        folder.forget_as(RECORD)?;
    }
    ready.context("the mail server did not start")
}

fn installed(folder: &Folder) -> anyhow::Result<PathBuf> {
    folder.installed(&format!("aiosmtpd-{VERSION}"), |into| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(into);
        loud(venv)?;
        let mut pip = Command::new(into.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"]);
        pip.args(PACKAGES);
        loud(pip)
    })
}

fn loud(mut python: Command) -> anyhow::Result<()> {
    python.stdout(Stdio::from(io::stderr()));
    checkout::must_succeed(python, "python3 failed: it says why above")
}

fn data(folder: &Folder) -> PathBuf {
    folder.join(Path::new("smtp-data"))
}

/// Ends what `ensure_up` started; whether there was anything to end.
pub(super) fn end(folder: &Folder) -> anyhow::Result<bool> {
    let Some(process) = folder.recorded::<Process>(RECORD)? else {
        return Ok(false);
    };
    process.end(Signal::Terminate)?;
    folder.forget_as(RECORD)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_where_the_server_is() {
        let path = env::temp_dir().join(format!("authme-xtask-{}-smtp.json", std::process::id()));
        fs::write(&path, r#"{"host":"127.0.0.1","starttls_port":1,"tls_port":2}"#).unwrap();
        let server = MailServer::at(path.clone());
        assert_eq!(server.address().unwrap(), ("127.0.0.1:1".to_owned(), false));
        fs::remove_file(path).unwrap();
        assert!(server.address().unwrap_err().to_string().starts_with("cannot read"));
    }

    #[test]
    fn a_shell_reads_the_same_path() {
        let server = MailServer::at("/tmp/a folder/server.json".into());
        let script = format!("{server}\nprintf %s \"${VARIABLE}\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, b"/tmp/a folder/server.json");
    }
}
