//! Groups of servers that are started and stopped together. The first source that is available is used: servers that the
//! environment names, servers that an earlier task started, the project's containers, and, without a Docker engine,
//! programs from the package registries.

use anyhow::bail;

use crate::compose;
use crate::endpoint::{Endpoint, Server};
use crate::folder::Folder;
use crate::record::Record;
use crate::registries;
use crate::status::Status;

pub(crate) struct Group {
    /// The file of the cache folder in which its servers are recorded.
    record: &'static str,
    servers: &'static [Server],
    has_containers: bool,
}

/// The document store and the broker.
pub(crate) const STORES: Group = Group {
    record: "stores.json",
    servers: &[Server::Mongodb, Server::Kafka],
    has_containers: true,
};

pub(crate) const MAIL: Group = Group {
    record: "mail.json",
    servers: &[Server::Smtp],
    has_containers: false,
};

pub(crate) const GROUPS: [&Group; 2] = [&STORES, &MAIL];

/// The source of the servers of a group.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Environment(Vec<Endpoint>),
    /// An earlier task started them.
    Running(Vec<Endpoint>),
    Compose,
    Registries,
}

impl Source {
    /// Returns the first source that is available. Does not check the sources after it.
    fn first(
        from_environment: Option<Vec<Endpoint>>,
        running: impl FnOnce() -> anyhow::Result<Option<Vec<Endpoint>>>,
        is_engine_reachable: impl FnOnce() -> bool,
    ) -> anyhow::Result<Self> {
        Ok(if let Some(endpoints) = from_environment {
            Self::Environment(endpoints)
        } else if let Some(endpoints) = running()? {
            Self::Running(endpoints)
        } else if is_engine_reachable() {
            Self::Compose
        } else {
            Self::Registries
        })
    }
}

impl Group {
    /// Starts the servers if necessary, and returns them once they are ready. If no source is available, the error names
    /// the missing programs.
    pub(crate) fn ensure_up(&self) -> anyhow::Result<Vec<Endpoint>> {
        let is_engine_reachable = || self.has_containers && compose::is_engine_reachable();
        match Source::first(self.named_endpoints()?, || self.running(), is_engine_reachable)? {
            Source::Environment(endpoints) => {
                endpoints.iter().try_for_each(Endpoint::ensure_reachable)?;
                eprintln!("the environment names {}: nothing is started", names(self.servers));
                Ok(endpoints)
            }
            Source::Running(endpoints) => {
                eprintln!("already up: {}", names(self.servers));
                Ok(endpoints)
            }
            Source::Compose => self.start(true),
            Source::Registries => self.start(false),
        }
    }

    /// Returns whether the environment names the servers, or the ones that an earlier task started are up.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.named_endpoints(), Ok(Some(_))) || matches!(self.running(), Ok(Some(_)))
    }

    /// Returns the servers that the environment names; `None` if it names none.
    pub(crate) fn named_endpoints(&self) -> anyhow::Result<Option<Vec<Endpoint>>> {
        all_or_none(self.servers, Endpoint::from_environment)
    }

    /// Returns the servers that an earlier task started, if they are up.
    fn running(&self) -> anyhow::Result<Option<Vec<Endpoint>>> {
        let record = self.record(&Folder::open()?)?;
        Ok(record.filter(Record::is_up).map(|record| record.endpoints))
    }

    fn start(&self, is_compose: bool) -> anyhow::Result<Vec<Endpoint>> {
        let folder = Folder::open()?;
        let _lock = folder.lock()?;
        // Another task may have started or stopped servers while this one waited for the lock.
        if let Some(leftover) = self.record(&folder)? {
            if leftover.is_up() {
                return Ok(leftover.endpoints);
            }
            self.stop(&folder)?;
        }
        let mut record = if is_compose {
            compose::record()
        } else {
            registries::record(&folder, self.servers)?
        };
        self.write(&folder, &record)?;
        let started = if is_compose {
            compose::start()
        } else {
            registries::start(&folder, self.servers, &mut record, |record| self.write(&folder, record))
        };
        if started.is_err() {
            // The first error has the cause. The record of a server that cannot be stopped is kept for `down`.
            let _ = self.stop(&folder);
        }
        started.map(|()| record.endpoints)
    }

    /// Stops the servers that [`Self::ensure_up`] started. Returns whether it had started any.
    pub(crate) fn stop(&self, folder: &Folder) -> anyhow::Result<bool> {
        let Some(record) = self.record(folder)? else {
            return Ok(false);
        };
        if record.is_compose {
            compose::stop()?;
        }
        for (program, process) in &record.processes {
            process.stop(registries::stop_signal(program))?;
        }
        folder.remove_record(self.record)?;
        Ok(true)
    }

    pub(crate) fn record(&self, folder: &Folder) -> anyhow::Result<Option<Record>> {
        folder.read_record(self.record)
    }

    pub(crate) fn write(&self, folder: &Folder, record: &Record) -> anyhow::Result<()> {
        folder.write_record(self.record, record)
    }

    /// Returns the status of each server. Returns nothing if the environment names none and none was started.
    pub(crate) fn statuses(&self, folder: &Folder) -> anyhow::Result<Vec<Status>> {
        Ok(statuses(self.named_endpoints()?, self.record(folder)?))
    }
}

fn names(servers: &[Server]) -> String {
    servers
        .iter()
        .map(|server| server.name())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns all servers, or `None` if there is none.
fn all_or_none(
    servers: &[Server],
    endpoint: impl Fn(Server) -> Option<Endpoint>,
) -> anyhow::Result<Option<Vec<Endpoint>>> {
    let endpoints: Vec<Endpoint> = servers.iter().copied().filter_map(endpoint).collect();
    let missing = servers
        .iter()
        .find(|server| endpoints.iter().all(|endpoint| endpoint.server != **server));
    match (endpoints.first(), missing) {
        (None, _) => Ok(None),
        (Some(_), None) => Ok(Some(endpoints)),
        (Some(set), Some(missing)) => bail!(
            "{} is set and {} is not: set both or none",
            set.server.variable(),
            missing.variable()
        ),
    }
}

fn statuses(named: Option<Vec<Endpoint>>, started: Option<Record>) -> Vec<Status> {
    // After `export $(cargo xtask servers up)` the environment names the servers that `up` started.
    let own = started.filter(|record| named.as_ref().is_none_or(|named| *named == record.endpoints));
    let source = own.as_ref().map_or("environment", Record::source);
    let endpoints = own.as_ref().map(|record| record.endpoints.clone()).or(named);
    let status = |endpoint: Endpoint| {
        let programs = registries::programs(endpoint.server).iter().rev();
        let process = |program: &&'static str| Some((*program, *own.as_ref()?.processes.get(*program)?));
        Status {
            source,
            processes: programs.filter_map(process).collect(),
            endpoint,
        }
    };
    endpoints.into_iter().flatten().map(status).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stores(mongodb: &str, kafka: &str) -> Vec<Endpoint> {
        let endpoint = |server, value: &str| Endpoint {
            server,
            value: value.to_owned(),
        };
        vec![endpoint(Server::Mongodb, mongodb), endpoint(Server::Kafka, kafka)]
    }

    #[test]
    fn servers_of_the_environment_come_first() {
        let named = stores("environment", "environment");
        let running = || unreachable!("the environment comes first");
        let source = Source::first(Some(named.clone()), running, || unreachable!());
        assert_eq!(source.unwrap(), Source::Environment(named));
    }

    #[test]
    fn running_servers_come_before_an_engine() {
        let running = stores("running", "running");
        let source = Source::first(None, || Ok(Some(running.clone())), || unreachable!());
        assert_eq!(source.unwrap(), Source::Running(running));
    }

    #[test]
    fn engine_comes_before_the_registries() {
        assert_eq!(Source::first(None, || Ok(None), || true).unwrap(), Source::Compose);
        assert_eq!(Source::first(None, || Ok(None), || false).unwrap(), Source::Registries);
    }

    #[test]
    fn one_variable_without_the_other_is_rejected() {
        let all = stores("m", "k");
        let set = |servers: &'static [Server]| {
            all_or_none(STORES.servers, |server| {
                let mut set = all.iter().filter(|endpoint| servers.contains(&endpoint.server));
                set.find(|endpoint| endpoint.server == server).cloned()
            })
        };
        assert_eq!(set(&[]).unwrap(), None);
        assert_eq!(set(&[Server::Mongodb, Server::Kafka]).unwrap(), Some(all.clone()));
        let error = set(&[Server::Mongodb]).unwrap_err();
        assert!(error.to_string().contains("AUTHME_TEST_KAFKA_BROKERS is not"));
        assert!(set(&[Server::Kafka]).is_err());
    }

    /// Returns a record of servers of which one process has ended, and the others were not started.
    fn ended_servers() -> Record {
        Record {
            endpoints: stores("mongodb://127.0.0.1:1/", "127.0.0.1:1"),
            processes: serde_json::from_value(json!({"postgresql": {"pid": u32::MAX, "started_at": 0}})).unwrap(),
            ..Record::default()
        }
    }

    fn sources(named: Option<Vec<Endpoint>>) -> Vec<&'static str> {
        let statuses = statuses(named, Some(ended_servers()));
        statuses.iter().map(|status| status.source).collect()
    }

    #[test]
    fn own_servers_keep_their_source_when_the_environment_names_them() {
        assert_eq!(sources(None), ["registries"; 2]);
        assert_eq!(sources(Some(ended_servers().endpoints)), ["registries"; 2]);
        assert_eq!(
            sources(Some(stores("mongodb://127.0.0.1:1/", "127.0.0.1:2"))),
            ["environment"; 2]
        );
    }

    #[test]
    fn ended_server_is_down() {
        let [mongodb, kafka] = &statuses(None, Some(ended_servers()))[..] else {
            panic!("two servers are recorded");
        };
        assert!(!mongodb.is_up() && !kafka.is_up());
        assert!(
            mongodb
                .to_string()
                .ends_with("127.0.0.1:1  postgresql 4294967295 (ended)")
        );
        assert_eq!(kafka.to_string(), "kafka    down  registries  127.0.0.1:1");
        assert!(statuses(None, None).is_empty());
    }
}
