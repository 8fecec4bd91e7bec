//! The servers as programs from package registries, fetched by the ordinary clients.

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

/// The programs that the servers need, with the reason of each.
const NEEDS: [(&str, &str); 5] = [
    ("java", "java (a JRE 17 or newer) runs Kafka"),
    ("mvn", "mvn (Maven) fetches Kafka"),
    ("go", "go builds FerretDB"),
    ("apt-get", "apt-get (Debian) fetches PostgreSQL with DocumentDB"),
    (
        "unshare",
        "unshare (util-linux, on Linux) isolates the mounts of PostgreSQL",
    ),
];

/// The ports of the servers. They are below the ports that Linux assigns to outgoing connections. With a port from that
/// range, a client of a stopped server could connect to itself.
const PORTS: Range<u16> = 20_000..32_000;

/// Starts all servers with new data. If one does not start, stops the others.
pub(super) fn start(folder: &Folder) -> anyhow::Result<State> {
    let missing = missing_needs(is_root(), is_installed);
    ensure!(
        missing.is_empty(),
        "no source of servers is available. Name yours by {} and {}; or start a Docker engine; or install what the servers \
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
    let started = start_each(folder, &mut servers);
    // The record of a server that could not be stopped is kept for `down`.
    if started.is_err() && stop(&servers).is_ok() {
        folder.remove_state()?;
    }
    started.map(|()| State::Registries(servers))
}

fn start_each(folder: &Folder, servers: &mut Registries) -> anyhow::Result<()> {
    let kafka = Kafka::install(folder)?;
    let ferretdb = FerretDb::install(folder)?;
    let postgresql = Postgresql::install(folder)?;
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

    let gateway = ferretdb.spawn(&ports)?;
    servers.ferretdb = Some(gateway);
    record(folder, servers)?;
    ferretdb.wait(gateway, &ports)?;
    kafka.wait(broker, &ports)
}

fn record(folder: &Folder, servers: &Registries) -> anyhow::Result<()> {
    folder.write_state(&State::Registries(servers.clone()))
}

/// Stops the servers that are running.
pub(super) fn stop(servers: &Registries) -> anyhow::Result<()> {
    for (process, signal) in [
        (servers.ferretdb, Signal::Terminate),
        (servers.kafka, Signal::Terminate),
        (servers.postgresql, Signal::Interrupt),
    ] {
        if let Some(process) = process {
            process.stop(signal)?;
        }
    }
    Ok(())
}

pub(super) fn stop_kafka(folder: &Folder, servers: &mut Registries) -> anyhow::Result<()> {
    if let Some(broker) = servers.kafka {
        broker.stop(Signal::Terminate)?;
    }
    servers.kafka = None;
    record(folder, servers)
}

pub(super) fn start_kafka(folder: &Folder, servers: &mut Registries) -> anyhow::Result<()> {
    let kafka = Kafka::install(folder)?;
    let broker = match servers.kafka.filter(Process::is_running) {
        Some(broker) => broker,
        None => kafka.spawn()?,
    };
    servers.kafka = Some(broker);
    record(folder, servers)?;
    kafka.wait(broker, &servers.ports)
}

fn missing_needs(is_root: bool, is_installed: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let programs = NEEDS.iter().filter(|(program, _)| !is_installed(program));
    let mut missing: Vec<_> = programs.map(|(_, need)| *need).collect();
    if !is_root {
        missing.push("root (`chroot` and `mount`) starts PostgreSQL: run this as root");
    }
    missing
}

pub(super) fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", r#"command -v "$0""#, program]).output();
    found.is_ok_and(|output| output.status.success())
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
    fn missing_programs_are_named() {
        assert!(missing_needs(true, |_| true).is_empty());
        let without_go = missing_needs(false, |program| program != "go");
        assert!(matches!(without_go[..], [go, root] if go.starts_with("go ") && root.starts_with("root ")));
    }

    #[test]
    fn is_installed_finds_a_program_on_the_path() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program-of-authme"));
    }
}
