//! The servers as they come from package registries by the ordinary clients.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context, ensure};

use super::addresses;
use super::ferretdb::FerretDb;
use super::folder::Folder;
use super::kafka::Kafka;
use super::postgresql::Postgresql;
use super::process::{Process, Signal};
use super::state::{Ports, Registries, State};

const NEEDS: [(&str, &str); 5] = [
    ("java", "java (a JRE 17 or newer) runs Kafka"),
    ("mvn", "mvn (Maven) fetches Kafka"),
    ("go", "go builds FerretDB"),
    ("apt-get", "apt-get (Debian) fetches PostgreSQL with DocumentDB"),
    (
        "unshare",
        "unshare (util-linux, on Linux) keeps the mounts of PostgreSQL apart",
    ),
];

/// Below those that Linux gives to outgoing connections: a client that looks for a stopped server would else meet itself.
const PORTS: Range<u16> = 20_000..32_000;

/// Starts them all, with new data. When one does not start, the others are ended again.
pub(super) fn begin(folder: &Folder) -> anyhow::Result<State> {
    let missing = missing(is_root(), is_there);
    ensure!(
        missing.is_empty(),
        "there is no way to real servers here. Name yours by {} and {}; or start a Docker engine; or get what the servers \
         from the package registries need:\n- {}",
        addresses::MONGODB,
        addresses::KAFKA,
        missing.join("\n- ")
    );
    let mut servers = Registries {
        ports: free_ports()?,
        kafka: None,
        postgresql: None,
        ferretdb: None,
    };
    let begun = begin_each(folder, &mut servers);
    // What could not be ended stays recorded, for `down`.
    if begun.is_err() && end(&servers).is_ok() {
        folder.forget()?;
    }
    begun.map(|()| State::Registries(servers))
}

fn begin_each(folder: &Folder, servers: &mut Registries) -> anyhow::Result<()> {
    let kafka = Kafka::installed(folder)?;
    let ferretdb = FerretDb::installed(folder)?;
    let postgresql = Postgresql::installed(folder)?;
    eprintln!("starting kafka, postgresql, ferretdb");
    let ports = servers.ports;

    kafka.format(&ports)?;
    let broker = kafka.spawn()?;
    servers.kafka = Some(broker);
    record(folder, servers)?;

    postgresql.format()?;
    let database = postgresql.spawn(ports.postgresql)?;
    servers.postgresql = Some(database);
    record(folder, servers)?;
    postgresql.wait(database, ports.postgresql)?;

    let protocol = ferretdb.spawn(&ports)?;
    servers.ferretdb = Some(protocol);
    record(folder, servers)?;
    ferretdb.wait(protocol, &ports)?;
    kafka.wait(broker, &ports)
}

fn record(folder: &Folder, servers: &Registries) -> anyhow::Result<()> {
    folder.record(&State::Registries(servers.clone()))
}

/// Ends those that run.
pub(super) fn end(servers: &Registries) -> anyhow::Result<()> {
    for (process, signal) in [
        (servers.ferretdb, Signal::Terminate),
        (servers.kafka, Signal::Terminate),
        (servers.postgresql, Signal::Interrupt),
    ] {
        if let Some(process) = process {
            process.end(signal)?;
        }
    }
    Ok(())
}

pub(super) fn stop_kafka(folder: &Folder, servers: &mut Registries) -> anyhow::Result<()> {
    if let Some(broker) = servers.kafka {
        broker.end(Signal::Terminate)?;
    }
    servers.kafka = None;
    record(folder, servers)
}

pub(super) fn start_kafka(folder: &Folder, servers: &mut Registries) -> anyhow::Result<()> {
    let kafka = Kafka::installed(folder)?;
    let broker = match servers.kafka.filter(Process::runs) {
        Some(broker) => broker,
        None => kafka.spawn()?,
    };
    servers.kafka = Some(broker);
    record(folder, servers)?;
    kafka.wait(broker, &servers.ports)
}

fn missing(root: bool, is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let programs = NEEDS.iter().filter(|(program, _)| !is_there(program));
    let mut missing: Vec<_> = programs.map(|(_, need)| *need).collect();
    if !root {
        missing.push("root (`chroot` and `mount`) starts PostgreSQL: run this as root");
    }
    missing
}

pub(super) fn is_there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", r#"command -v "$0""#, program]).output();
    found.is_ok_and(|answer| answer.status.success())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn free_ports() -> anyhow::Result<Ports> {
    let mut free = PORTS.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    let mut next = || free.next().context("no port is free for a server");
    Ok(Ports {
        kafka: next()?,
        kafka_controller: next()?,
        postgresql: next()?,
        ferretdb: next()?,
        ferretdb_health: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert!(missing(true, |_| true).is_empty());
        let without_go = missing(false, |program| program != "go");
        assert!(matches!(without_go[..], [go, root] if go.starts_with("go ") && root.starts_with("root ")));
    }

    #[test]
    fn a_program_is_found_on_the_path() {
        assert!(is_there("sh"));
        assert!(!is_there("no-such-program-of-authme"));
    }
}
