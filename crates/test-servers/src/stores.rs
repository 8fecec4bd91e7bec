//! The document store and the broker. The first source that is available is used: servers that the environment names,
//! servers that an earlier task started, the project's containers, and, without a Docker engine, programs from the
//! package registries.

use anyhow::{Context as _, bail, ensure};

use crate::addresses::Addresses;
use crate::compose;
use crate::folder::Folder;
use crate::process::Process;
use crate::state::{Registries, State};
use crate::status::Status;

/// The file of the cache folder in which the servers are recorded.
const RECORD: &str = "state.json";

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
pub fn ensure_up() -> anyhow::Result<Addresses> {
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
        Source::Compose => start(start_containers),
        Source::Registries => start(start_programs),
    }
}

/// Returns whether the environment names the servers, or the ones that an earlier task started are up.
pub(crate) fn is_up() -> bool {
    matches!(Addresses::from_environment(), Ok(Some(_))) || matches!(running_addresses(), Ok(Some(_)))
}

fn running_addresses() -> anyhow::Result<Option<Addresses>> {
    let state: Option<State> = Folder::open()?.read_record(RECORD)?;
    Ok(state.filter(State::is_up).map(|state| state.addresses()))
}

fn start(start: fn(&Folder) -> anyhow::Result<State>) -> anyhow::Result<Addresses> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    // Another task may have started or stopped servers while this one waited for the lock.
    match folder.read_record(RECORD)? {
        Some(State::Registries(mut servers)) if servers.is_mongodb_up() && !servers.is_kafka_up() => {
            eprintln!("kafka was stopped: starting it again");
            servers.start_kafka(&folder, |servers| record(&folder, servers))?;
            return Ok(servers.addresses());
        }
        Some(state) if state.is_up() => return Ok(state.addresses()),
        Some(leftover) => stop_and_forget(&folder, &leftover)?,
        None => {}
    }
    Ok(start(&folder)?.addresses())
}

fn start_containers(folder: &Folder) -> anyhow::Result<State> {
    folder.write_record(RECORD, &State::Compose)?;
    let started = compose::start();
    if started.is_err() {
        folder.remove_record(RECORD)?;
    }
    started.map(|()| State::Compose)
}

/// Starts the programs. If one does not start, stops the others.
fn start_programs(folder: &Folder) -> anyhow::Result<State> {
    let mut servers = Registries::new()?;
    let started = servers.start(folder, |servers| record(folder, servers));
    // The record of a server that could not be stopped is kept for `down`.
    if started.is_err() && servers.stop().is_ok() {
        folder.remove_record(RECORD)?;
    }
    started.map(|()| State::Registries(servers))
}

fn record(folder: &Folder, servers: &Registries) -> anyhow::Result<()> {
    folder.write_record(RECORD, &State::Registries(servers.clone()))
}

/// Stops the servers that [`ensure_up`] started, by their recorded process ids. Returns whether it had started any.
pub(crate) fn stop(folder: &Folder) -> anyhow::Result<bool> {
    let state = folder.read_record(RECORD)?;
    if let Some(state) = &state {
        stop_and_forget(folder, state)?;
    }
    Ok(state.is_some())
}

fn stop_and_forget(folder: &Folder, state: &State) -> anyhow::Result<()> {
    match state {
        State::Compose => compose::stop()?,
        State::Registries(servers) => servers.stop()?,
    }
    folder.remove_record(RECORD)
}

/// Stops the broker and keeps its port and data. Does nothing if it is already stopped.
pub fn stop_kafka() -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    let mut servers = stoppable_servers(&folder)?;
    servers.stop_kafka()?;
    record(&folder, &servers)
}

/// Starts the broker again, on its port and with its data. Does nothing if it is running.
pub fn start_kafka() -> anyhow::Result<()> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    stoppable_servers(&folder)?.start_kafka(&folder, |servers| record(&folder, servers))
}

/// Returns the servers that can be stopped one by one. Fails if the environment names other servers than the ones that
/// `up` started, because a trial must stop only the broker that it uses.
fn stoppable_servers(folder: &Folder) -> anyhow::Result<Registries> {
    let state: State = folder.read_record(RECORD)?.context("`servers up` started no server")?;
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

/// Returns the status of the store and the broker. Returns nothing if the environment names none and none was started.
pub(crate) fn statuses(folder: &Folder) -> anyhow::Result<Vec<Status>> {
    Ok(statuses_of(Addresses::from_environment()?, folder.read_record(RECORD)?))
}

fn statuses_of(named: Option<Addresses>, started: Option<State>) -> Vec<Status> {
    // After `export $(cargo xtask servers up)` the environment names the servers that `up` started.
    let own = started.filter(|state| named.as_ref().is_none_or(|named| *named == state.addresses()));
    let (source, addresses, [mongodb, kafka]) = match (own, named) {
        (Some(state), _) => (state.source(), state.addresses(), state.processes()),
        (None, Some(named)) => ("environment", named, Default::default()),
        (None, None) => return Vec::new(),
    };
    let status = |server, address, processes| Status {
        server,
        source,
        address,
        processes,
    };
    vec![
        status("mongodb", addresses.mongodb(), mongodb),
        status("kafka", addresses.kafka(), kafka),
    ]
}

impl State {
    /// Returns the name of the source of the servers.
    fn source(&self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Registries(_) => "registries",
        }
    }

    fn addresses(&self) -> Addresses {
        match self {
            Self::Compose => compose::addresses(),
            Self::Registries(servers) => servers.addresses(),
        }
    }

    /// Returns the named processes of the store and those of the broker.
    fn processes(&self) -> [Vec<(&'static str, Process)>; 2] {
        let Self::Registries(servers) = self else {
            return Default::default();
        };
        let named = |name, process: Option<Process>| process.map(|process| (name, process));
        let mongodb = [
            named("ferretdb", servers.ferretdb),
            named("postgresql", servers.postgresql),
        ];
        let kafka = named("kafka", servers.kafka);
        [mongodb.into_iter().flatten().collect(), kafka.into_iter().collect()]
    }

    fn is_up(&self) -> bool {
        match self {
            Self::Compose => self.addresses().mongodb().1 && self.addresses().kafka().1,
            Self::Registries(servers) => servers.is_mongodb_up() && servers.is_kafka_up(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    /// Returns a record of servers whose processes have ended.
    fn recorded_state() -> State {
        serde_json::from_value(json!({
            "way": "registries",
            "ports": { "kafka": 1, "kafka_controller": 1, "postgresql": 1, "ferretdb": 1, "ferretdb_health": 1 },
            "kafka": null,
            "postgresql": { "pid": u32::MAX, "started_at": 0 },
            "ferretdb": null,
        }))
        .unwrap()
    }

    fn sources(named: Option<Addresses>) -> Vec<&'static str> {
        statuses_of(named, Some(recorded_state()))
            .iter()
            .map(|status| status.source)
            .collect()
    }

    #[test]
    fn own_servers_keep_their_source_when_the_environment_names_them() {
        assert_eq!(sources(None), ["registries"; 2]);
        assert_eq!(sources(Some(recorded_state().addresses())), ["registries"; 2]);
        let others = Addresses {
            kafka_brokers: "127.0.0.1:2".into(),
            ..recorded_state().addresses()
        };
        assert_eq!(sources(Some(others)), ["environment"; 2]);
    }

    #[test]
    fn ended_server_is_down() {
        let [mongodb, kafka] = &statuses_of(None, Some(recorded_state()))[..] else {
            panic!("two servers are recorded");
        };
        assert!(!mongodb.is_up() && !kafka.is_up());
        assert!(
            mongodb
                .to_string()
                .ends_with("127.0.0.1:1  postgresql 4294967295 (ended)")
        );
        assert_eq!(kafka.to_string(), "kafka    down  registries  127.0.0.1:1");
        assert!(statuses_of(None, None).is_empty());
    }
}
