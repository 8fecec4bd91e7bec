//! `cargo xtask servers`: real servers for tests. A task uses the servers that the environment names. If it names none,
//! the task starts the project's containers, or, without a Docker engine, programs from the package registries.

mod addresses;
mod compose;
mod ferretdb;
mod folder;
mod kafka;
mod postgresql;
mod process;
mod registries;
mod smtp;
mod state;
mod status;

use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Subcommand, ValueEnum};

pub(crate) use addresses::Addresses;
use folder::Folder;
pub(crate) use smtp::ensure_up as ensure_mail_up;
use state::{Registries, State};
use status::Status;

/// The environment variables by which tests find the servers.
pub(crate) const VARIABLES: [&str; 3] = [addresses::MONGODB, addresses::KAFKA, smtp::VARIABLE];

/// The number of servers: a document store, a broker and a mail server.
const SERVERS: usize = 3;

#[derive(Clone, Copy, Subcommand)]
pub(crate) enum ServersTask {
    /// Start the servers that are not up, and print the environment variables by which tests find them
    Up,
    /// Stop the servers that `up` started
    Down,
    /// Print each server with its source, address and processes; exit with 1 unless all are up
    Status,
    /// Stop one server for a trial; its port and its data stay
    #[command(hide = true)]
    Stop { server: Stoppable },
    /// Start a stopped server again, on its port and with its data
    #[command(hide = true)]
    Start { server: Stoppable },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Stoppable {
    Kafka,
}

pub(crate) fn run(task: ServersTask) -> ExitCode {
    let result = match task {
        ServersTask::Up => up(),
        ServersTask::Down => down(),
        ServersTask::Status => status(),
        ServersTask::Stop { server } => stop_server(server),
        ServersTask::Start { server } => start_server(server),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The source of the servers.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    FromEnvironment(Addresses),
    /// An earlier `up` started them.
    Running(Addresses),
    Compose,
    Registries,
}

impl Source {
    /// Returns the first source that is available. Does not check the sources after it.
    fn first(
        from_environment: Option<Addresses>,
        running: impl FnOnce() -> anyhow::Result<Option<Addresses>>,
        is_engine_reachable: impl FnOnce() -> bool,
    ) -> anyhow::Result<Self> {
        Ok(if let Some(addresses) = from_environment {
            Self::FromEnvironment(addresses)
        } else if let Some(addresses) = running()? {
            Self::Running(addresses)
        } else if is_engine_reachable() {
            Self::Compose
        } else {
            Self::Registries
        })
    }
}

/// Starts the store and the broker if necessary, and returns their addresses once they are ready. If no source is
/// available, the error names the missing programs.
pub(crate) fn ensure_up() -> anyhow::Result<Addresses> {
    match Source::first(
        Addresses::from_environment()?,
        running_addresses,
        compose::is_engine_reachable,
    )? {
        Source::FromEnvironment(addresses) => {
            addresses.ensure_reachable()?;
            eprintln!("the environment names the servers: nothing is started");
            Ok(addresses)
        }
        Source::Running(addresses) => {
            eprintln!("the servers are up already");
            Ok(addresses)
        }
        Source::Compose => start_stores(compose::start),
        Source::Registries => start_stores(registries::start),
    }
}

/// Which servers are up. A task stops only the servers that it started itself.
#[derive(Clone, Copy)]
pub(crate) struct RunningServers {
    /// The store and the broker are up.
    has_stores: bool,
    has_mail: bool,
}

pub(crate) fn running_servers() -> RunningServers {
    RunningServers {
        has_stores: matches!(Addresses::from_environment(), Ok(Some(_))) || matches!(running_addresses(), Ok(Some(_))),
        has_mail: smtp::is_up(),
    }
}

/// Stops the servers that are up now and were not up `before`.
pub(crate) fn stop_others(before: RunningServers) -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    if !before.has_mail {
        smtp::stop(&folder)?;
    }
    match folder.read_state()? {
        Some(state) if !before.has_stores => stop_stores(&folder, &state),
        _ => Ok(()),
    }
}

fn running_addresses() -> anyhow::Result<Option<Addresses>> {
    let state = Folder::open()?.read_state()?.filter(State::is_up);
    Ok(state.map(|state| state.addresses()))
}

fn start_stores(start: fn(&Folder) -> anyhow::Result<State>) -> anyhow::Result<Addresses> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    // Another task may have started or stopped servers while this one waited for the lock.
    match folder.read_state()? {
        Some(state) if state.is_up() => return Ok(state.addresses()),
        Some(State::Registries(mut servers)) if servers.is_mongodb_up() => {
            eprintln!("kafka was stopped: starting it again");
            registries::start_kafka(&folder, &mut servers)?;
            return Ok(servers.addresses());
        }
        Some(leftover) => stop_stores(&folder, &leftover)?,
        None => {}
    }
    Ok(start(&folder)?.addresses())
}

fn stop_stores(folder: &Folder, state: &State) -> anyhow::Result<()> {
    match state {
        State::Compose => compose::stop()?,
        State::Registries(servers) => registries::stop(servers)?,
    }
    folder.remove_state()
}

fn up() -> anyhow::Result<ExitCode> {
    println!("{}", ensure_up()?);
    println!("{}", ensure_mail_up()?);
    Ok(ExitCode::SUCCESS)
}

/// Stops the servers that `up` started, by their recorded process ids.
fn down() -> anyhow::Result<ExitCode> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    let mut has_stopped = smtp::stop(&folder)?;
    if let Some(state) = folder.read_state()? {
        stop_stores(&folder, &state)?;
        has_stopped = true;
    }
    if has_stopped {
        eprintln!("the servers are down");
    } else {
        eprintln!("`up` started no server: nothing to stop");
    }
    Ok(ExitCode::SUCCESS)
}

fn status() -> anyhow::Result<ExitCode> {
    let folder = Folder::open()?;
    let mut servers = status::statuses(Addresses::from_environment()?, folder.read_state()?);
    servers.extend(smtp::status(&folder)?);
    for server in &servers {
        println!("{server}");
    }
    if servers.is_empty() {
        println!("the environment names no server, and `up` started none");
    }
    let are_all_up = servers.len() == SERVERS && servers.iter().all(Status::is_up);
    Ok(if are_all_up {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn stop_server(Stoppable::Kafka: Stoppable) -> anyhow::Result<ExitCode> {
    stop_kafka()?;
    eprintln!("kafka is stopped");
    Ok(ExitCode::SUCCESS)
}

fn start_server(Stoppable::Kafka: Stoppable) -> anyhow::Result<ExitCode> {
    start_kafka()?;
    eprintln!("kafka is up");
    Ok(ExitCode::SUCCESS)
}

/// Stops the broker and keeps its port and data. Does nothing if it is already stopped.
pub(crate) fn stop_kafka() -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    registries::stop_kafka(&folder, &mut stoppable_servers(&folder)?)
}

/// Starts the broker again, on its port and with its data. Does nothing if it is running.
pub(crate) fn start_kafka() -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    registries::start_kafka(&folder, &mut stoppable_servers(&folder)?)
}

/// Returns the servers that can be stopped one by one. Fails if the environment names other servers than the ones that
/// `up` started, because a trial must stop only the broker that it uses.
fn stoppable_servers(folder: &Folder) -> anyhow::Result<Registries> {
    let state = folder.read_state()?.context("`servers up` started no server")?;
    if let Some(named) = Addresses::from_environment()? {
        ensure!(
            named == state.addresses(),
            "the environment names other servers than `servers up` started: stop them where they were started"
        );
    }
    match state {
        State::Registries(servers) => Ok(servers),
        State::Compose => bail!("only servers from the package registries can be stopped one by one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(kafka_brokers: &str) -> Addresses {
        Addresses {
            mongodb_uri: "mongodb://127.0.0.1:1/".into(),
            kafka_brokers: kafka_brokers.into(),
        }
    }

    #[test]
    fn servers_of_the_environment_come_first() {
        let running = || unreachable!("the environment comes first");
        let source = Source::first(Some(addresses("environment")), running, || unreachable!());
        assert_eq!(source.unwrap(), Source::FromEnvironment(addresses("environment")));
    }

    #[test]
    fn running_servers_come_before_an_engine() {
        let source = Source::first(None, || Ok(Some(addresses("running"))), || unreachable!());
        assert_eq!(source.unwrap(), Source::Running(addresses("running")));
    }

    #[test]
    fn engine_comes_before_the_registries() {
        assert_eq!(Source::first(None, || Ok(None), || true).unwrap(), Source::Compose);
        assert_eq!(Source::first(None, || Ok(None), || false).unwrap(), Source::Registries);
    }
}
