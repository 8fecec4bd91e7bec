//! The document store and the broker, for programs that need both.

use std::fs::File;

use anyhow::{Context as _, ensure};

use crate::endpoint::Server;
use crate::folder::Folder;
use crate::group::STORES;
use crate::process::Process;
use crate::record::Record;
use crate::registries;

/// The addresses of the store and the broker.
pub struct Addresses {
    pub mongodb_uri: String,
    pub kafka_brokers: String,
}

impl Addresses {
    /// Returns the variables by which tests find the servers.
    pub fn variables(&self) -> [(&'static str, &str); 2] {
        [
            (Server::Mongodb.variable(), &self.mongodb_uri),
            (Server::Kafka.variable(), &self.kafka_brokers),
        ]
    }
}

/// Starts the store and the broker if necessary, and returns their addresses once they are ready.
pub fn ensure_up() -> anyhow::Result<Addresses> {
    let mut values = STORES.ensure_up()?.into_iter().map(|endpoint| endpoint.value);
    Ok(Addresses {
        mongodb_uri: values.next().context("no store")?,
        kafka_brokers: values.next().context("no broker")?,
    })
}

/// The broker that `servers up` started from the package registries. While this value exists, other tasks cannot start or
/// stop servers.
pub struct Broker {
    folder: Folder,
    record: Record,
    _lock: File,
}

const PROGRAM: &str = "kafka";

impl Broker {
    /// Fails if the environment names other servers, because a trial must stop only the broker that it uses.
    pub fn find() -> anyhow::Result<Self> {
        let folder = Folder::open()?;
        let lock = folder.lock()?;
        let record = STORES.record(&folder)?.context("`servers up` started no server")?;
        ensure!(
            STORES.named_endpoints()?.is_none_or(|named| named == record.endpoints),
            "the environment names other servers than `servers up` started: stop them where they were started"
        );
        ensure!(
            !record.is_compose,
            "only servers from the package registries can be stopped one by one"
        );
        Ok(Self {
            folder,
            record,
            _lock: lock,
        })
    }

    /// Returns the id of its process, if it is running.
    pub fn pid(&self) -> Option<u32> {
        let process = self.record.processes.get(PROGRAM);
        process.filter(|process| process.is_running()).map(Process::pid)
    }

    /// Stops it and keeps its port and data. Does nothing if it is already stopped.
    pub fn stop(mut self) -> anyhow::Result<()> {
        if let Some(process) = self.record.processes.remove(PROGRAM) {
            process.stop(registries::stop_signal(PROGRAM))?;
        }
        STORES.write(&self.folder, &self.record)
    }

    /// Starts it again, on its port and with its data. Does nothing if it is running.
    pub fn start(mut self) -> anyhow::Result<()> {
        if self.pid().is_some() {
            return Ok(());
        }
        registries::start_again(&self.folder, PROGRAM, &mut self.record, |record| {
            STORES.write(&self.folder, record)
        })
    }
}
