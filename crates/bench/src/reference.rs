use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::programs::Programs;
use crate::results::median;

/// The CPU time of one bare signature and one bare verification, in microseconds.
pub(crate) struct Reference {
    pub(crate) signature: f64,
    pub(crate) verification: f64,
}

impl Reference {
    /// Measures on all cores at the same time, because the load keeps all of them busy. A core is faster while its
    /// neighbour is idle.
    pub(crate) fn measure(programs: &Programs) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |_| {
            Command::new(&programs.bare_operations)
                .arg("2")
                .stdout(Stdio::piped())
                .spawn()
        };
        let running: Vec<Child> = (0..cores).map(start).collect::<Result<_, _>>()?;
        let measured: Vec<Self> = running.into_iter().map(Self::from_run).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            signature: median(measured.iter().map(|one| one.signature)),
            verification: median(measured.iter().map(|one| one.verification)),
        })
    }

    fn from_run(running: Child) -> anyhow::Result<Self> {
        let output = running.wait_with_output()?;
        ensure!(output.status.success(), "the reference could not be measured");
        let object = serde_json::from_slice(&output.stdout)?;
        let each =
            |count: &str, cpu: &str| Ok::<_, anyhow::Error>(number(&object, cpu)? / number(&object, count)? / 1e3);
        Ok(Self {
            signature: each("signatures", "signing_cpu_ns")?,
            verification: each("verifications", "verifying_cpu_ns")?,
        })
    }
}

/// Returns a number from a JSON object.
fn number(object: &serde_json::Value, name: &str) -> anyhow::Result<f64> {
    object
        .get(name)
        .and_then(serde_json::Value::as_f64)
        .with_context(|| format!("the object has no number `{name}`"))
}
