use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::process::Process;

/// The servers of a group that a task started, for later tasks. It is written after each step, so that `down` stops what
/// an interrupted `up` started.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// True if the servers are containers, which have no ports and processes here.
    pub(crate) is_compose: bool,
    pub(crate) endpoints: Vec<Endpoint>,
    /// The ports of the programs, by the variables of registries.sh.
    pub(crate) ports: BTreeMap<String, u16>,
    /// The processes of the programs, by their names.
    pub(crate) processes: BTreeMap<String, Process>,
}

impl Record {
    /// Returns the name of the source of the servers.
    pub(crate) fn source(&self) -> &'static str {
        if self.is_compose { "compose" } else { "registries" }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.processes.values().all(Process::is_running) && self.endpoints.iter().all(|endpoint| endpoint.address().1)
    }
}
