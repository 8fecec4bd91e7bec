//! The servers as the project's own containers.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::addresses::Addresses;
use super::folder::Folder;
use super::process::succeeds;
use super::state::State;
use crate::checkout;

const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// As docker-compose.yml publishes them.
pub(super) fn addresses() -> Addresses {
    Addresses {
        mongodb_uri: "mongodb://127.0.0.1:27017/?directConnection=true".into(),
        kafka_brokers: "127.0.0.1:9092".into(),
    }
}

/// Whether there is an engine, and compose to speak to it.
pub(super) fn engine_answers() -> bool {
    [["compose", "version"].as_slice(), &["info"]]
        .into_iter()
        .all(|arguments| {
            let mut docker = Command::new("docker");
            docker.args(arguments);
            succeeds(docker, ENGINE_ANSWERS_WITHIN)
        })
}

pub(super) fn begin(folder: &Folder) -> anyhow::Result<State> {
    folder.record(&State::Compose)?;
    let begun = compose(&["up", "--detach", "--wait"]);
    if begun.is_err() {
        // Why it could not begin says more than why it could not end.
        let _ = end();
        folder.forget()?;
    }
    begun.map(|()| State::Compose)
}

/// The containers go with their data; a volume that has a name stays.
pub(super) fn end() -> anyhow::Result<()> {
    if !engine_answers() {
        eprintln!("the Docker engine does not answer, so its containers do not run");
        return Ok(());
    }
    compose(&["rm", "--stop", "--force", "--volumes"])
}

fn compose(arguments: &[&str]) -> anyhow::Result<()> {
    let mut docker = checkout::command("docker");
    docker.args(["compose", "--file", "docker-compose.yml"]).args(arguments);
    docker.args(["mongodb", "kafka"]).stdout(Stdio::from(io::stderr()));
    checkout::must_succeed(docker, "docker compose failed: it says why above")
}
