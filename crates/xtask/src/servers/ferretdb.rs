//! FerretDB, a server with the protocol of MongoDB that stores its data in PostgreSQL.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::folder::{Folder, remove};
use super::postgresql;
use super::process::Process;
use super::state::Ports;
use crate::checkout;

const VERSION: &str = "2.7.0";

pub(super) struct FerretDb {
    program: PathBuf,
    state: PathBuf,
    log: PathBuf,
}

impl FerretDb {
    pub(super) fn install(folder: &Folder) -> anyhow::Result<Self> {
        let bin = folder.install(&format!("ferretdb-{VERSION}"), |into| {
            let mut go = Command::new("go");
            go.arg("install")
                .arg(format!("github.com/FerretDB/FerretDB/v2/cmd/ferretdb@v{VERSION}"))
                .env("GOBIN", into)
                .stdout(Stdio::from(io::stderr()));
            checkout::must_succeed(go, "go failed with the message above")
        })?;
        Ok(Self {
            program: bin.join("ferretdb"),
            state: folder.join("ferretdb-state"),
            log: folder.log("ferretdb"),
        })
    }

    pub(super) fn spawn(&self, ports: &Ports) -> anyhow::Result<Process> {
        remove(&self.state)?;
        fs::create_dir(&self.state)?;
        let mut command = Command::new(&self.program);
        command
            .args(["--no-auth", "--telemetry=disable", "--log-level=WARN"])
            // A replica set of one, so that the driver sends the read concerns that only a replica set accepts.
            .arg("--dev-repl-set-name=authme")
            .arg(format!("--listen-addr=127.0.0.1:{}", ports.ferretdb))
            .arg(format!("--debug-addr=127.0.0.1:{}", ports.ferretdb_health))
            .arg(format!("--postgresql-url={}", postgresql::url(ports.postgresql)))
            .arg("--state-dir")
            .arg(&self.state);
        Process::spawn(command, &self.log)
    }

    pub(super) fn wait(&self, process: Process, ports: &Ports) -> anyhow::Result<()> {
        process
            .wait_until_ready(&self.log, || is_ready(ports.ferretdb_health).unwrap_or(false))
            .context("FerretDB did not start")
    }
}

/// Returns whether FerretDB reports that it has reached PostgreSQL through its own listener.
fn is_ready(health_port: u16) -> io::Result<bool> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, health_port))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    connection.write_all(b"GET /debug/readyz HTTP/1.0\r\n\r\n")?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    Ok(response.split(' ').nth(1) == Some("200"))
}
