use std::fmt;

use super::addresses::Addresses;
use super::state::{Processes, State};

/// The status of one server.
pub(super) struct Status {
    pub(super) server: &'static str,
    pub(super) source: &'static str,
    /// The address, and whether it is reachable.
    pub(super) address: (String, bool),
    pub(super) processes: Processes,
}

/// Returns the status of the store and the broker. Returns nothing if the environment names none and none was started.
pub(super) fn statuses(named: Option<Addresses>, started: Option<State>) -> Vec<Status> {
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

impl Status {
    pub(super) fn is_up(&self) -> bool {
        self.address.1 && self.processes.iter().all(|(_, process)| process.is_running())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_up() { "up" } else { "down" };
        write!(f, "{:<8} {word:<5} {}  {}", self.server, self.source, self.address.0)?;
        for (name, process) in &self.processes {
            let ended = if process.is_running() { "" } else { " (ended)" };
            write!(f, "  {name} {}{ended}", process.pid())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        statuses(named, Some(recorded_state()))
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
        let [mongodb, kafka] = &statuses(None, Some(recorded_state()))[..] else {
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
