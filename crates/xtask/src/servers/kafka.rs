//! Kafka as a single node that is both broker and controller.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::addresses::is_reachable;
use super::folder::{Folder, remove};
use super::process::{Process, run_quietly};
use super::state::Ports;
use crate::checkout;

const VERSION: &str = "4.1.0";
/// The id of the cluster; any value works.
const CLUSTER: &str = "AuthMeTestServersAAAAA";
const SETTINGS: &str = include_str!("../../servers/kafka.properties");

pub(super) struct Kafka {
    jars: PathBuf,
    settings: PathBuf,
    data: PathBuf,
    log: PathBuf,
}

impl Kafka {
    pub(super) fn install(folder: &Folder) -> anyhow::Result<Self> {
        let jars = folder.install(&format!("kafka-{VERSION}"), |into| {
            let mut mvn = Command::new("mvn");
            mvn.args(["--batch-mode", "--quiet", "-Dstyle.color=never", "--file"])
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/pom.xml"))
                .arg("dependency:copy-dependencies")
                .arg(format!("-Dkafka.version={VERSION}"))
                .arg(format!("-DoutputDirectory={}", into.display()))
                .stdout(Stdio::from(io::stderr()));
            checkout::must_succeed(mvn, "mvn failed with the message above")
        })?;
        Ok(Self {
            jars,
            settings: folder.join("kafka.properties"),
            data: folder.join("kafka-data"),
            log: folder.log("kafka"),
        })
    }

    /// Removes the data folder of the last start, and creates a new one.
    pub(super) fn format(&self, ports: &Ports) -> anyhow::Result<()> {
        remove(&self.data)?;
        fs::write(&self.settings, settings(ports, &self.data))?;
        let mut format = self.java("kafka.tools.StorageTool");
        format
            .args(["format", "--cluster-id", CLUSTER, "--config"])
            .arg(&self.settings);
        run_quietly(format).context("the data folder of Kafka could not be formatted")
    }

    pub(super) fn spawn(&self) -> anyhow::Result<Process> {
        let mut broker = self.java("kafka.Kafka");
        broker.arg(&self.settings);
        Process::spawn(broker, &self.log)
    }

    pub(super) fn wait(&self, process: Process, ports: &Ports) -> anyhow::Result<()> {
        let address = format!("127.0.0.1:{}", ports.kafka);
        let has_started = || fs::read_to_string(&self.log).is_ok_and(|log| log.contains("Kafka Server started"));
        process
            .wait_until_ready(&self.log, || has_started() && is_reachable(&address))
            .context("Kafka did not start")
    }

    fn java(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-cp"]).arg(self.jars.join("*")).arg(class);
        java
    }
}

fn settings(ports: &Ports, data: &Path) -> String {
    let Ports {
        kafka,
        kafka_controller,
        ..
    } = ports;
    let data = data.display();
    format!(
        "{SETTINGS}
listeners=PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{kafka_controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka}
controller.quorum.voters=1@127.0.0.1:{kafka_controller}
log.dirs={data}
"
    )
}
