use std::fmt;

use crate::endpoint::Endpoint;
use crate::process::Process;

/// The status of one server.
pub(crate) struct Status {
    pub(crate) source: &'static str,
    pub(crate) endpoint: Endpoint,
    /// Its processes with their names; none if the task did not start it.
    pub(crate) processes: Vec<(&'static str, Process)>,
}

impl Status {
    pub(crate) fn is_up(&self) -> bool {
        self.endpoint.address().1 && self.processes.iter().all(|(_, process)| process.is_running())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_up() { "up" } else { "down" };
        let (server, (address, _)) = (self.endpoint.server.name(), self.endpoint.address());
        write!(f, "{server:<8} {word:<5} {}  {address}", self.source)?;
        for (name, process) in &self.processes {
            let ended = if process.is_running() { "" } else { " (ended)" };
            write!(f, "  {name} {}{ended}", process.pid())?;
        }
        Ok(())
    }
}
