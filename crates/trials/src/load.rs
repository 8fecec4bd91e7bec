use std::thread::{self, JoinHandle};

use anyhow::anyhow;
use fastrand::Rng;
use test_servers::authme::Server;

use crate::installation::Installation;
use crate::workload::{RequestOutcome, Workload};

/// Workers that send requests on connections of their own, until the server is killed.
pub(crate) struct Load(Vec<JoinHandle<WorkerResult>>);

struct WorkerResult {
    workload: Box<dyn Workload>,
    acknowledged: u32,
    defect: Option<String>,
}

/// The workloads, and the results of all their workers.
#[derive(Default)]
pub(crate) struct LoadResult {
    pub(crate) workloads: Vec<Box<dyn Workload>>,
    pub(crate) acknowledged: u32,
    pub(crate) defects: Vec<String>,
}

impl Load {
    pub(crate) fn start(
        installation: &Installation,
        server: &Server,
        workloads: Vec<Box<dyn Workload>>,
        rng: &mut Rng,
    ) -> anyhow::Result<Self> {
        let mut workers = Vec::new();
        for mut workload in workloads {
            let mut connection = installation.connect(server)?;
            let mut rng = rng.fork();
            workers.push(thread::spawn(move || {
                let mut acknowledged = 0;
                let defect = loop {
                    match workload.send_request(&mut connection, &mut rng) {
                        RequestOutcome::Acknowledged => acknowledged += 1,
                        RequestOutcome::Unknown => break None,
                        RequestOutcome::Wrong(response) => break Some(response),
                    }
                };
                WorkerResult {
                    workload,
                    acknowledged,
                    defect,
                }
            }));
        }
        Ok(Self(workers))
    }

    /// Waits until every worker has lost its connection to the server.
    pub(crate) fn join(self) -> anyhow::Result<LoadResult> {
        let mut result = LoadResult::default();
        for worker in self.0 {
            let result_of_worker = worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            result.workloads.push(result_of_worker.workload);
            result.acknowledged += result_of_worker.acknowledged;
            result.defects.extend(result_of_worker.defect);
        }
        Ok(result)
    }
}
