use std::fmt;

use super::addresses::Addresses;
use super::state::{Processes, State};

/// One server, as it is now.
pub(super) struct Status {
    pub(super) server: &'static str,
    pub(super) way: &'static str,
    /// And whether it answers.
    pub(super) address: (String, bool),
    pub(super) processes: Processes,
}

/// Of the store and the broker; of none when none is given and none was started.
pub(super) fn of_each(given: Option<Addresses>, recorded: Option<State>) -> Vec<Status> {
    // Who took over what `up` printed is given our own servers.
    let ours = recorded.filter(|state| given.as_ref().is_none_or(|given| *given == state.addresses()));
    let (way, addresses, [mongodb, kafka]) = match (ours, given) {
        (Some(state), _) => (state.way(), state.addresses(), state.processes()),
        (None, Some(given)) => ("given", given, Default::default()),
        (None, None) => return Vec::new(),
    };
    let status = |server, address, processes| Status {
        server,
        way,
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
        self.address.1 && self.processes.iter().all(|(_, process)| process.runs())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_up() { "up" } else { "down" };
        write!(f, "{:<8} {word:<5} {}  {}", self.server, self.way, self.address.0)?;
        for (name, process) in &self.processes {
            let ended = if process.runs() { "" } else { " (ended)" };
            write!(f, "  {name} {}{ended}", process.pid())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Servers that were recorded and ended since.
    fn recorded() -> State {
        serde_json::from_value(json!({
            "way": "registries",
            "ports": { "kafka": 1, "kafka_controller": 1, "postgresql": 1, "ferretdb": 1, "ferretdb_health": 1 },
            "kafka": null,
            "postgresql": { "pid": u32::MAX, "started_at": 0 },
            "ferretdb": null,
        }))
        .unwrap()
    }

    fn ways(given: Option<Addresses>) -> Vec<&'static str> {
        of_each(given, Some(recorded()))
            .iter()
            .map(|status| status.way)
            .collect()
    }

    #[test]
    fn servers_of_ours_are_ours_even_when_they_are_given_on() {
        assert_eq!(ways(None), ["registries"; 2]);
        assert_eq!(ways(Some(recorded().addresses())), ["registries"; 2]);
        let others = Addresses {
            kafka_brokers: "127.0.0.1:2".into(),
            ..recorded().addresses()
        };
        assert_eq!(ways(Some(others)), ["given"; 2]);
    }

    #[test]
    fn an_ended_server_is_down() {
        let [mongodb, kafka] = &of_each(None, Some(recorded()))[..] else {
            panic!("two servers are recorded");
        };
        assert!(!mongodb.is_up() && !kafka.is_up());
        assert!(
            mongodb
                .to_string()
                .ends_with("127.0.0.1:1  postgresql 4294967295 (ended)")
        );
        assert_eq!(kafka.to_string(), "kafka    down  registries  127.0.0.1:1");
        assert!(of_each(None, None).is_empty());
    }
}
