//! The record of the store and the broker that `up` started, for later tasks.

use serde::{Deserialize, Serialize};

use crate::process::Process;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
// The tag keeps this name, because a task of another checkout may read the record.
#[serde(tag = "way", rename_all = "snake_case")]
pub(crate) enum State {
    Compose,
    Registries(Registries),
}

/// The servers from the package registries. The record is written after each step, so that `down` stops the servers
/// that an interrupted `up` started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registries {
    pub(crate) ports: Ports,
    pub(crate) kafka: Option<Process>,
    pub(crate) postgresql: Option<Process>,
    pub(crate) ferretdb: Option<Process>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) kafka: u16,
    pub(crate) kafka_controller: u16,
    pub(crate) postgresql: u16,
    pub(crate) ferretdb: u16,
    pub(crate) ferretdb_health: u16,
}

impl Ports {
    /// Returns the environment variables of registries.sh.
    pub(crate) fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("KAFKA_PORT", self.kafka),
            ("KAFKA_CONTROLLER_PORT", self.kafka_controller),
            ("POSTGRESQL_PORT", self.postgresql),
            ("FERRETDB_PORT", self.ferretdb),
            ("FERRETDB_HEALTH_PORT", self.ferretdb_health),
        ]
        .map(|(name, port)| (name, port.to_string()))
    }
}
