//! Real servers for tests: given ones, else the project's containers, else from the package registries.

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

/// A document store, a broker and a mail server.
const SERVERS: usize = 3;

#[derive(Clone, Copy, Subcommand)]
pub(crate) enum ServersTask {
    /// Starts them unless they are up, and prints the variables by which tests find them
    Up,
    /// Ends what `up` started
    Down,
    /// Each server, how it runs, its address and its processes; exit 1 unless all are up
    Status,
    /// Ends one server, for a trial: its port and its data stay
    #[command(hide = true)]
    Stop { server: Stoppable },
    /// Starts a stopped server again, on its port and with its data
    #[command(hide = true)]
    Start { server: Stoppable },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Stoppable {
    Kafka,
}

pub(crate) fn run(task: ServersTask) -> ExitCode {
    let done = match task {
        ServersTask::Up => up(),
        ServersTask::Down => down(),
        ServersTask::Status => status(),
        ServersTask::Stop { server } => stop(server),
        ServersTask::Start { server } => start(server),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where the servers come from.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Given(Addresses),
    /// They are up since an earlier `up`.
    Recorded(Addresses),
    Compose,
    Registries,
}

impl Way {
    /// The first that is open. Those after it are not asked.
    fn first(
        given: Option<Addresses>,
        recorded: impl FnOnce() -> anyhow::Result<Option<Addresses>>,
        engine_answers: impl FnOnce() -> bool,
    ) -> anyhow::Result<Self> {
        Ok(if let Some(addresses) = given {
            Self::Given(addresses)
        } else if let Some(addresses) = recorded()? {
            Self::Recorded(addresses)
        } else if engine_answers() {
            Self::Compose
        } else {
            Self::Registries
        })
    }
}

/// Where the store and the broker are, once they answer: starts them unless they are up. When there is no way to have
/// them, the error says what is missing.
pub(crate) fn ensure_up() -> anyhow::Result<Addresses> {
    match Way::first(Addresses::given()?, recorded, compose::engine_answers)? {
        Way::Given(addresses) => {
            addresses.must_answer()?;
            eprintln!("the servers are given: nothing is started");
            Ok(addresses)
        }
        Way::Recorded(addresses) => {
            eprintln!("the servers are up already");
            Ok(addresses)
        }
        Way::Compose => begin(compose::begin),
        Way::Registries => begin(registries::begin),
    }
}

/// Which servers need not be started. Whoever started them ends them.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    stores: bool,
    mail: bool,
}

pub(crate) fn running() -> Running {
    Running {
        stores: matches!(Addresses::given(), Ok(Some(_))) || matches!(recorded(), Ok(Some(_))),
        mail: smtp::is_up(),
    }
}

/// Ends those that run now and did not run before.
pub(crate) fn back_to(before: Running) -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    if !before.mail {
        smtp::end(&folder)?;
    }
    match folder.state()? {
        Some(state) if !before.stores => end(&folder, &state),
        _ => Ok(()),
    }
}

fn recorded() -> anyhow::Result<Option<Addresses>> {
    let state = Folder::open()?.state()?.filter(State::is_up);
    Ok(state.map(|state| state.addresses()))
}

fn begin(way: fn(&Folder) -> anyhow::Result<State>) -> anyhow::Result<Addresses> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    // Another task may have changed them while this one waited.
    match folder.state()? {
        Some(state) if state.is_up() => return Ok(state.addresses()),
        Some(State::Registries(mut servers)) if servers.mongodb_is_up() => {
            eprintln!("kafka was stopped: starting it again");
            registries::start_kafka(&folder, &mut servers)?;
            return Ok(servers.addresses());
        }
        Some(remains) => end(&folder, &remains)?,
        None => {}
    }
    Ok(way(&folder)?.addresses())
}

fn end(folder: &Folder, state: &State) -> anyhow::Result<()> {
    match state {
        State::Compose => compose::end()?,
        State::Registries(servers) => registries::end(servers)?,
    }
    folder.forget()
}

fn up() -> anyhow::Result<ExitCode> {
    println!("{}", ensure_up()?);
    println!("{}", ensure_mail_up()?);
    Ok(ExitCode::SUCCESS)
}

/// Ends what was started, by the ids it was started under.
fn down() -> anyhow::Result<ExitCode> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    let mut ended = smtp::end(&folder)?;
    if let Some(state) = folder.state()? {
        end(&folder, &state)?;
        ended = true;
    }
    if ended {
        eprintln!("the servers are down");
    } else {
        eprintln!("no server was started by `up`: nothing to end");
    }
    Ok(ExitCode::SUCCESS)
}

fn status() -> anyhow::Result<ExitCode> {
    let folder = Folder::open()?;
    let mut servers = status::of_each(Addresses::given()?, folder.state()?);
    servers.extend(smtp::status(&folder)?);
    for server in &servers {
        println!("{server}");
    }
    if servers.is_empty() {
        println!("no server is given, and none was started by `up`");
    }
    let all_up = servers.len() == SERVERS && servers.iter().all(Status::is_up);
    Ok(if all_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stop(Stoppable::Kafka: Stoppable) -> anyhow::Result<ExitCode> {
    stop_kafka()?;
    eprintln!("kafka is stopped");
    Ok(ExitCode::SUCCESS)
}

fn start(Stoppable::Kafka: Stoppable) -> anyhow::Result<ExitCode> {
    start_kafka()?;
    eprintln!("kafka is up");
    Ok(ExitCode::SUCCESS)
}

/// Ends the broker and keeps its port and data. Does nothing when it is stopped already.
pub(crate) fn stop_kafka() -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    registries::stop_kafka(&folder, &mut stoppable(&folder)?)
}

/// Starts the broker again, on its port and with its data. Does nothing when it runs.
pub(crate) fn start_kafka() -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    registries::start_kafka(&folder, &mut stoppable(&folder)?)
}

/// Servers that stop one by one. A trial must not stop another broker than the one it talks to.
fn stoppable(folder: &Folder) -> anyhow::Result<Registries> {
    let state = folder.state()?.context("no server was started by `servers up`")?;
    if let Some(given) = Addresses::given()? {
        ensure!(
            given == state.addresses(),
            "the given servers are not those that `servers up` started: they can only be stopped where they were started"
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
    fn given_servers_win_and_nothing_else_is_asked() {
        let asked = || unreachable!("given servers are used as they are");
        let way = Way::first(Some(addresses("given")), asked, || unreachable!());
        assert_eq!(way.unwrap(), Way::Given(addresses("given")));
    }

    #[test]
    fn servers_that_are_up_win_over_an_engine() {
        let way = Way::first(None, || Ok(Some(addresses("recorded"))), || unreachable!());
        assert_eq!(way.unwrap(), Way::Recorded(addresses("recorded")));
    }

    #[test]
    fn an_engine_wins_over_the_registries() {
        assert_eq!(Way::first(None, || Ok(None), || true).unwrap(), Way::Compose);
        assert_eq!(Way::first(None, || Ok(None), || false).unwrap(), Way::Registries);
    }
}
