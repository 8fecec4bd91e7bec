//! The servers as containers of the project's docker-compose.yml.

use std::io;
use std::process::{Command, Stdio};

use crate::checkout;
use crate::endpoint::{Endpoint, Server};
use crate::record::Record;

/// Returns the record of the containers, with the addresses that docker-compose.yml publishes.
pub(crate) fn record() -> Record {
    let endpoints = [
        (Server::Mongodb, "mongodb://127.0.0.1:27017/?directConnection=true"),
        (Server::Kafka, "127.0.0.1:9092"),
    ];
    let endpoint = |(server, value): (Server, &str)| Endpoint {
        server,
        value: value.to_owned(),
    };
    Record {
        is_compose: true,
        endpoints: endpoints.map(endpoint).to_vec(),
        ..Record::default()
    }
}

/// Returns whether a Docker engine answers within 5 s and Docker Compose is installed.
pub(crate) fn is_engine_reachable() -> bool {
    ["compose version", "info"].into_iter().all(|arguments| {
        let mut docker = Command::new("timeout");
        docker.args(["5", "docker"]).args(arguments.split(' '));
        docker.output().is_ok_and(|output| output.status.success())
    })
}

pub(crate) fn start() -> anyhow::Result<()> {
    compose(&["up", "--detach", "--wait"])
}

/// Removes the containers with their data. A named volume stays.
pub(crate) fn stop() -> anyhow::Result<()> {
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
