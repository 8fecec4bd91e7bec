//! The servers as containers of the project's docker-compose.yml.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::addresses::Addresses;
use super::folder::Folder;
use super::process::succeeds;
use super::state::State;
use crate::checkout;

const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the addresses that docker-compose.yml publishes.
pub(super) fn addresses() -> Addresses {
    Addresses {
        mongodb_uri: "mongodb://127.0.0.1:27017/?directConnection=true".into(),
        kafka_brokers: "127.0.0.1:9092".into(),
    }
}

/// Returns whether a Docker engine is reachable and Docker Compose is installed.
pub(super) fn is_engine_reachable() -> bool {
    [["compose", "version"].as_slice(), &["info"]]
        .into_iter()
        .all(|arguments| {
            let mut docker = Command::new("docker");
            docker.args(arguments);
            succeeds(docker, ENGINE_TIMEOUT)
        })
}

pub(super) fn start(folder: &Folder) -> anyhow::Result<State> {
    folder.write_state(&State::Compose)?;
    let started = compose(&["up", "--detach", "--wait"]);
    if started.is_err() {
        // The first error has the cause. An error of the clean-up would hide it.
        let _ = stop();
        folder.remove_state()?;
    }
    started.map(|()| State::Compose)
}

/// Removes the containers with their data. A named volume stays.
pub(super) fn stop() -> anyhow::Result<()> {
    if !is_engine_reachable() {
        eprintln!("the Docker engine is not reachable, so its containers are not running");
        return Ok(());
    }
    compose(&["rm", "--stop", "--force", "--volumes"])
}

fn compose(arguments: &[&str]) -> anyhow::Result<()> {
    let mut docker = checkout::command("docker");
    docker.args(["compose", "--file", "docker-compose.yml"]).args(arguments);
    docker.args(["mongodb", "kafka"]).stdout(Stdio::from(io::stderr()));
    checkout::must_succeed(docker, "docker compose failed with the message above")
}
