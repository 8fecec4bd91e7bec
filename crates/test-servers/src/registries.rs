//! The servers as programs from package registries. registries.sh has what differs between them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::checkout::{must_succeed, run_for_output};
use crate::endpoint::{Endpoint, Server};
use crate::folder::Folder;
use crate::ports::is_free;
use crate::process::Process;
use crate::record::Record;

/// The ports of the servers. They are below the ports that Linux assigns to outgoing connections. With a port from that
/// range, a client of a stopped server could connect to itself.
const PORTS: Range<u16> = 20_000..32_000;

/// Returns the programs of a server, each of which needs the ones before it.
pub(crate) const fn programs(server: Server) -> &'static [&'static str] {
    match server {
        Server::Mongodb => &["postgresql", "ferretdb"],
        Server::Kafka => &["kafka"],
        Server::Smtp => &["aiosmtpd"],
    }
}

/// Returns the variables by which registries.sh gets the ports of a server.
const fn port_variables(server: Server) -> &'static [&'static str] {
    match server {
        Server::Mongodb => &["FERRETDB_PORT", "FERRETDB_HEALTH_PORT", "POSTGRESQL_PORT"],
        Server::Kafka => &["KAFKA_PORT", "KAFKA_CONTROLLER_PORT"],
        // It chooses its ports itself.
        Server::Smtp => &[],
    }
}

/// Returns the record of servers that are not started yet, with free ports.
pub(crate) fn record(folder: &Folder, servers: &[Server]) -> anyhow::Result<Record> {
    let mut free = PORTS.filter(|port| is_free(*port));
    let mut record = Record::default();
    for server in servers {
        for variable in port_variables(*server) {
            let port = free.next().context("no port is free for a server")?;
            record.ports.insert((*variable).to_owned(), port);
        }
        let port = |variable| record.ports.get(variable).copied().unwrap_or_default();
        let value = match server {
            Server::Mongodb => format!("mongodb://127.0.0.1:{}/?directConnection=true", port("FERRETDB_PORT")),
            Server::Kafka => format!("127.0.0.1:{}", port("KAFKA_PORT")),
            Server::Smtp => folder.path().join("smtp-data/server.json").display().to_string(),
        };
        record.endpoints.push(Endpoint { server: *server, value });
    }
    Ok(record)
}

/// Returns the signal that stops a program.
pub(crate) fn stop_signal(program: &str) -> &'static str {
    match program {
        // After SIGTERM it would wait for its clients; after SIGINT it closes their connections.
        "postgresql" => "INT",
        _ => "TERM",
    }
}

/// Starts all servers with empty data. Calls `write` after each step.
pub(crate) fn start(
    folder: &Folder,
    servers: &[Server],
    record: &mut Record,
    write: impl Fn(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ports = record.ports.clone();
    let script = Script { folder, ports: &ports };
    script.ensure_runnable(servers)?;
    for program in servers.iter().flat_map(|server| programs(*server)) {
        script.run("install", program)?;
    }
    let mut started = Vec::new();
    for server in servers.iter().rev() {
        let mut previous = None;
        for program in programs(*server) {
            if let Some((program, process)) = previous {
                script.wait(program, process)?;
            }
            eprintln!("starting {program}");
            script.run("format", program)?;
            let process = script.spawn(program)?;
            record.processes.insert((*program).to_owned(), process);
            write(record)?;
            previous = Some((*program, process));
        }
        started.extend(previous);
    }
    started
        .into_iter()
        .try_for_each(|(program, process)| script.wait(program, process))
}

/// Starts a stopped program on its data. Calls `write` before it is ready.
pub(crate) fn start_again(
    folder: &Folder,
    program: &str,
    record: &mut Record,
    write: impl Fn(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ports = record.ports.clone();
    let script = Script { folder, ports: &ports };
    let process = script.spawn(program)?;
    record.processes.insert(program.to_owned(), process);
    write(record)?;
    script.wait(program, process)
}

/// The functions of registries.sh, `<action>_<program>`.
struct Script<'a> {
    folder: &'a Folder,
    ports: &'a BTreeMap<String, u16>,
}

impl Script<'_> {
    fn command(&self, action: &str, program: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/servers/registries.sh"));
        bash.arg(format!("{action}_{program}"))
            .env("FOLDER", self.folder.path());
        bash.envs(self.ports.iter().map(|(variable, port)| (variable, port.to_string())));
        bash
    }

    /// Runs a function that has to succeed. Its output goes to stderr.
    fn run(&self, action: &str, program: &str) -> anyhow::Result<()> {
        let mut bash = self.command(action, program);
        bash.stdout(Stdio::from(io::stderr()));
        must_succeed(
            bash,
            &format!("cannot {action} {program}: the message above has the cause"),
        )
    }

    fn spawn(&self, program: &str) -> anyhow::Result<Process> {
        Process::spawn(self.command("run", program), &self.folder.log(program))
    }

    fn wait(&self, program: &str, process: Process) -> anyhow::Result<()> {
        let is_ready = || {
            let ready = self.command("ready", program).stderr(Stdio::null()).status();
            ready.is_ok_and(|status| status.success())
        };
        process
            .wait_until_ready(&self.folder.log(program), is_ready)
            .with_context(|| format!("{program} did not start"))
    }

    /// Fails if the machine lacks what the servers need.
    fn ensure_runnable(&self, servers: &[Server]) -> anyhow::Result<()> {
        let missing = servers
            .iter()
            .map(|server| run_for_output(&mut self.command("missing", server.name())));
        let missing: String = missing.collect::<anyhow::Result<_>>()?;
        let variables: Vec<_> = servers.iter().map(|server| server.variable()).collect();
        ensure!(
            missing.is_empty(),
            "no source of servers is available. Name yours by {}; or start a Docker engine, which runs all but the mail server; \
             or install what the programs from the package registries need:\n{}",
            variables.join(" and "),
            missing.trim_end()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    /// Runs a function of the script, and returns whether it succeeded and what it printed.
    fn run(path: &str, arguments: &[&str]) -> (bool, String) {
        let mut bash = Command::new("/bin/bash");
        bash.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/servers/registries.sh"));
        let output = bash
            .args(arguments)
            .env("FOLDER", "/nowhere")
            .env("PATH", path)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// Writes a program that prints this text.
    fn write_program(file: &Path, text: &str) {
        fs::write(file, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn missing_programs_are_named() {
        let folder = TempDir::new().unwrap();
        for program in ["dirname", "realpath", "java", "mvn", "apt-get", "unshare"] {
            write_program(&folder.path().join(program), ".");
        }
        let path = folder.path().to_str().unwrap();
        let (_, missing) = run(path, &["missing_mongodb"]);
        let programs = missing.lines().filter(|line| !line.starts_with("- root "));
        assert_eq!(programs.collect::<Vec<_>>(), ["- go builds FerretDB"]);
        assert_eq!(run(path, &["missing_kafka"]).1, "");
        assert!(run(path, &["missing_smtp"]).1.starts_with("- python3 "));
    }

    #[test]
    fn interrupted_installation_is_repeated() {
        let folder = TempDir::new().unwrap();
        let path = "/usr/bin:/bin";
        let program = folder.path().join("x-1");
        let name = program.to_str().unwrap();
        let half = ["once", name, "sh", "-c", "mkdir \"$0\" && touch \"$0/half\" && exit 1"];
        assert!(!run(path, &half).0);
        assert!(!program.exists());
        assert!(run(path, &["once", name, "mkdir"]).0);
        assert!(program.exists() && !program.join("half").exists());
        assert!(run(path, &["once", name, "false"]).0, "it is installed");
    }

    #[test]
    fn mirror_is_the_one_of_the_main_archive() {
        let folder = TempDir::new().unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        for (targets, mirror) in [
            (
                "nodesource nodistro https://a/\nDebian oldstable-security https://b/\nDebian oldstable https://c/",
                "https://c/\n",
            ),
            ("Ubuntu noble https://d/", ""),
        ] {
            write_program(&folder.path().join("apt-get"), targets);
            assert_eq!(run(&path, &["mirror"]), (true, mirror.to_owned()));
        }
    }
}
