//! The record of the servers that `up` started, for later tasks.

use serde::{Deserialize, Serialize};

use super::addresses::Addresses;
use super::compose;
use super::process::Process;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
// The tag keeps this name, because a task of another checkout may read the record.
#[serde(tag = "way", rename_all = "snake_case")]
pub(super) enum State {
    Compose,
    Registries(Registries),
}

/// The servers from the package registries. The record is written after each step, so that `down` stops the servers
/// that an interrupted `up` started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registries {
    pub(super) ports: Ports,
    pub(super) kafka: Option<Process>,
    pub(super) postgresql: Option<Process>,
    pub(super) ferretdb: Option<Process>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) kafka: u16,
    pub(super) kafka_controller: u16,
    pub(super) postgresql: u16,
    pub(super) ferretdb: u16,
    pub(super) ferretdb_health: u16,
}

/// The processes of one server, with their names.
pub(super) type Processes = Vec<(&'static str, Process)>;

impl State {
    /// Returns the name of the source of the servers.
    pub(super) fn source(&self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Registries(_) => "registries",
        }
    }

    pub(super) fn addresses(&self) -> Addresses {
        match self {
            Self::Compose => compose::addresses(),
            Self::Registries(servers) => servers.addresses(),
        }
    }

    /// Returns the processes of the store and the processes of the broker.
    pub(super) fn processes(&self) -> [Processes; 2] {
        match self {
            Self::Compose => Default::default(),
            Self::Registries(servers) => servers.processes(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        match self {
            Self::Compose => self.addresses().mongodb().1 && self.addresses().kafka().1,
            Self::Registries(servers) => {
                servers.is_mongodb_up() && is_running(servers.kafka.as_ref()) && servers.addresses().kafka().1
            }
        }
    }
}

impl Registries {
    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            mongodb_uri: format!("mongodb://127.0.0.1:{}/?directConnection=true", self.ports.ferretdb),
            kafka_brokers: format!("127.0.0.1:{}", self.ports.kafka),
        }
    }

    pub(super) fn is_mongodb_up(&self) -> bool {
        is_running(self.postgresql.as_ref()) && is_running(self.ferretdb.as_ref()) && self.addresses().mongodb().1
    }

    fn processes(&self) -> [Processes; 2] {
        let named = |name, process: &Option<Process>| process.map(|process| (name, process));
        let mongodb = [named("ferretdb", &self.ferretdb), named("postgresql", &self.postgresql)];
        let kafka = [named("kafka", &self.kafka)];
        [
            mongodb.into_iter().flatten().collect(),
            kafka.into_iter().flatten().collect(),
        ]
    }
}

fn is_running(process: Option<&Process>) -> bool {
    process.is_some_and(Process::is_running)
}
