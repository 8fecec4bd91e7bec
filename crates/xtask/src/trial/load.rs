use std::thread::{self, JoinHandle};

use anyhow::anyhow;

use super::dice::Dice;
use super::installation::{Installation, Server};
use super::ledger::{Step, Work};

/// Workers on connections of their own, until the server is gone.
pub(super) struct Load(Vec<JoinHandle<Ended>>);

struct Ended {
    work: Box<dyn Work>,
    acknowledged: u32,
    wrong: Option<String>,
}

/// What the workers bring back.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) works: Vec<Box<dyn Work>>,
    pub(super) acknowledged: u32,
    pub(super) wrong: Vec<String>,
}

impl Load {
    pub(super) fn begin(
        installation: &Installation,
        server: &Server,
        works: Vec<Box<dyn Work>>,
        dice: &mut Dice,
    ) -> anyhow::Result<Self> {
        let mut workers = Vec::new();
        for mut work in works {
            let mut connection = installation.connect(server)?;
            let mut dice = dice.another();
            workers.push(thread::spawn(move || {
                let mut acknowledged = 0;
                let wrong = loop {
                    match work.step(&mut connection, &mut dice) {
                        Step::Acknowledged => acknowledged += 1,
                        Step::Unknown => break None,
                        Step::Wrong(answer) => break Some(answer),
                    }
                };
                Ended {
                    work,
                    acknowledged,
                    wrong,
                }
            }));
        }
        Ok(Self(workers))
    }

    /// Waits until every worker has noticed that the server is gone.
    pub(super) fn end(self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        for worker in self.0 {
            let ended = worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            outcome.works.push(ended.work);
            outcome.acknowledged += ended.acknowledged;
            outcome.wrong.extend(ended.wrong);
        }
        Ok(outcome)
    }
}
