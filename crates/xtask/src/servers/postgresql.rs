//! PostgreSQL with the extension DocumentDB, which FerretDB needs, in a Debian root of its own, because few
//! distributions have the extension.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::folder::{Folder, remove};
use super::process::{Process, run_quietly};
use crate::checkout;

/// A rolling suite has one version of a package at a time, so the names pin the major version only.
const SUITE: &str = "sid";
const PACKAGES: &str = "postgresql-18,postgresql-18-documentdb";
const PROGRAMS: &str = "/usr/lib/postgresql/18/bin";
const DATA: &str = "/var/lib/postgresql/authme";

const MAX_CONNECTIONS: u16 = 200;
/// The maximum number of pooled connections of FerretDB. The remaining connections are for the workers of the
/// extension.
const POOLED_CONNECTIONS: u16 = 150;

/// Enters the root as `postgres`. Its /proc and /dev are mounted in a mount namespace of its own, so the kernel removes
/// them with the last process in it.
const ENTER: &str = r#"
mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" || exit
exec chroot --userspec=postgres:postgres "$0" "$@"
"#;

pub(super) struct Postgresql {
    root: PathBuf,
    log: PathBuf,
}

/// Returns the address for FerretDB.
pub(super) fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres?pool_max_conns={POOLED_CONNECTIONS}")
}

impl Postgresql {
    pub(super) fn install(folder: &Folder) -> anyhow::Result<Self> {
        let root = folder.install("postgresql-18-documentdb", |into| {
            let mut debian = private_mounts("mmdebstrap");
            debian
                .args(["--variant=minbase", &format!("--include={PACKAGES}")])
                // The lists of a mirror may have expired.
                .arg(r#"--aptopt=Acquire::Check-Valid-Until "false""#)
                .args([SUITE.as_ref(), into.as_os_str()])
                .args(mirror()?)
                .stdout(Stdio::from(io::stderr()));
            install_mmdebstrap()?;
            checkout::must_succeed(debian, "mmdebstrap failed with the message above")
        })?;
        Ok(Self {
            root,
            log: folder.log("postgresql"),
        })
    }

    /// Removes the data folder of the last start, and creates a new one.
    pub(super) fn format(&self) -> anyhow::Result<()> {
        remove(&self.root.join(DATA.trim_start_matches('/')))?;
        let mut initdb = self.program("initdb");
        initdb.args(["--pgdata", DATA, "--username=postgres", "--auth=trust"]);
        initdb.args(["--encoding=UTF8", "--locale=C.UTF-8"]);
        run_quietly(initdb).context("the data folder of PostgreSQL could not be created")
    }

    pub(super) fn spawn(&self, port: u16) -> anyhow::Result<Process> {
        let mut postgres = self.program("postgres");
        postgres.args(["-D", DATA]);
        for setting in [
            "listen_addresses=127.0.0.1",
            &format!("port={port}"),
            "unix_socket_directories=",
            &format!("max_connections={MAX_CONNECTIONS}"),
            "shared_preload_libraries=pg_cron,pg_documentdb_core,pg_documentdb",
            "cron.database_name=postgres",
            "cron.host=127.0.0.1",
            // The extension runs a job every two seconds, which would fill the log.
            "cron.log_statement=off",
            "cron.log_run=off",
        ] {
            postgres.args(["-c", setting]);
        }
        Process::spawn(postgres, &self.log)
    }

    /// Waits until the server is ready, then adds the extension.
    pub(super) fn wait(&self, process: Process, port: u16) -> anyhow::Result<()> {
        let is_ready = || {
            fs::read_to_string(&self.log)
                .is_ok_and(|log| log.contains("database system is ready to accept connections"))
        };
        process
            .wait_until_ready(&self.log, is_ready)
            .context("PostgreSQL did not start")?;
        let mut psql = self.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--host=127.0.0.1", "--username=postgres"])
            .arg(format!("--port={port}"))
            .args(["--command", "CREATE EXTENSION documentdb CASCADE"]);
        run_quietly(psql).context("PostgreSQL has no DocumentDB extension")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = private_mounts("sh");
        command
            .args(["-c", ENTER])
            .arg(&self.root)
            .arg(format!("{PROGRAMS}/{name}"));
        // The caller's environment may configure another PostgreSQL or a language.
        command.env_clear().env("LC_ALL", "C.UTF-8");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

/// Returns a command in a mount namespace of its own, so that only it and its children see its mounts.
fn private_mounts(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", program]);
    command
}

fn install_mmdebstrap() -> anyhow::Result<()> {
    let mut mmdebstrap = Command::new("mmdebstrap");
    if mmdebstrap.arg("--version").output().is_ok() {
        return Ok(());
    }
    let install = "apt-get update && apt-get install --yes --no-install-recommends mmdebstrap debian-archive-keyring";
    let mut shell = Command::new("sh");
    shell.args(["-c", install]).env("DEBIAN_FRONTEND", "noninteractive");
    shell.stdout(Stdio::from(io::stderr()));
    checkout::must_succeed(
        shell,
        "mmdebstrap could not be installed: apt-get failed with the message above",
    )
}

/// Returns the mirror from which the machine itself gets Debian's packages. Returns `None` if there is none; mmdebstrap
/// then uses its default.
fn mirror() -> anyhow::Result<Option<String>> {
    let mut apt = Command::new("apt-get");
    let targets = apt
        .args([
            "indextargets",
            "--format",
            "$(ORIGIN) $(SUITE) $(REPO_URI)",
            "Created-By: Packages",
        ])
        .output()
        .context("cannot start apt-get")?;
    Ok(debian_mirror(&String::from_utf8_lossy(&targets.stdout)))
}

/// Returns the mirror of the main archive. The archive of security updates has no `sid`.
fn debian_mirror(targets: &str) -> Option<String> {
    targets
        .lines()
        .find_map(|target| match target.split(' ').collect::<Vec<_>>()[..] {
            ["Debian", suite, mirror] if !suite.ends_with("-security") => Some(mirror.to_owned()),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_mirror_returns_the_main_archive() {
        let targets =
            "nodesource nodistro https://a/\nDebian oldstable-security https://b/\nDebian oldstable https://c/\n";
        assert_eq!(debian_mirror(targets).as_deref(), Some("https://c/"));
        assert_eq!(debian_mirror("Ubuntu noble https://d/\n\n"), None);
    }
}
