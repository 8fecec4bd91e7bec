use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;

use super::connection::Answer;
use super::line::Line;
use super::process::Server;

/// Threads of the load. Each drives its share of the connections from one event loop, so that an answer costs the
/// server no wake-up of a thread that waits for nothing else.
const THREADS: usize = 2;

/// Requests of each connection that are not counted.
pub(crate) const WARM_UP: usize = 20;

/// What one connection asks, again and again.
pub(crate) trait Asker: Send {
    /// The next request.
    fn ask(&mut self) -> String;

    /// Takes the answer; an error ends the whole measurement.
    fn answered(&mut self, answer: &Answer) -> anyhow::Result<()>;

    /// Whether it has nothing more to ask, though there is time.
    fn is_done(&self) -> bool {
        false
    }
}

/// What a stretch of load came to.
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) took: Duration,
    /// CPU of the server alone.
    pub(crate) cpu: Duration,
    /// Milliseconds of each request.
    pub(crate) latencies: Vec<f64>,
}

impl Outcome {
    #[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// Server CPU of one request, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
    pub(crate) fn cpu_microseconds(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

/// Runs every asker on a connection of its own, each waiting for its answer before it asks again, for `length` after a
/// warm-up.
pub(crate) fn run<A: Asker>(server: &Server, askers: Vec<A>, length: Duration) -> anyhow::Result<Outcome> {
    let gate = Barrier::new(THREADS + 1);
    let mut shares: Vec<Vec<A>> = (0..THREADS).map(|_| Vec::new()).collect();
    for (index, asker) in askers.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(index % THREADS) {
            share.push(asker);
        }
    }
    thread::scope(|scope| {
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let gate = &gate;
                scope.spawn(move || drive(server.port, share, gate, length))
            })
            .collect();
        gate.wait();
        let (before, begun) = (server.cpu(), Instant::now());
        gate.wait();
        gate.wait();
        let (after, took) = (server.cpu(), begun.elapsed());
        let mut latencies = Vec::new();
        for thread in threads {
            let samples = thread.join().ok().context("the load panicked")?;
            latencies.extend(samples?);
        }
        ensure!(!latencies.is_empty(), "nothing was answered");
        let cpu = after?.saturating_sub(before?);
        Ok(Outcome {
            requests: latencies.len() as u64,
            took,
            cpu,
            latencies,
        })
    })
}

/// Warms up, meets the others, measures, meets the others again: always, whatever fails.
fn drive<A: Asker>(port: u16, askers: Vec<A>, gate: &Barrier, length: Duration) -> anyhow::Result<Vec<f64>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let warmed = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let lines = runtime.block_on(async {
            let mut lines = Vec::with_capacity(askers.len());
            for asker in askers {
                let line = Line::open(port).await?;
                let mut asking = Asking { line, asker };
                for _ in 0..WARM_UP {
                    asking.turn().await?;
                }
                lines.push(asking);
            }
            anyhow::Ok(lines)
        })?;
        Ok((runtime, lines))
    });
    gate.wait();
    gate.wait();
    let measured = warmed.and_then(|(runtime, lines)| runtime.block_on(measure(lines, length)));
    gate.wait();
    measured
}

async fn measure<A: Asker>(mut lines: Vec<Asking<A>>, length: Duration) -> anyhow::Result<Vec<f64>> {
    let begun = Instant::now();
    let running = lines.iter_mut().map(|asking| asking.run_until(begun + length));
    Ok(try_join_all(running).await?.concat())
}

/// An asker on its connection.
struct Asking<A> {
    line: Line,
    asker: A,
}

impl<A: Asker> Asking<A> {
    async fn run_until(&mut self, end: Instant) -> anyhow::Result<Vec<f64>> {
        let mut latencies = Vec::with_capacity(4096);
        while Instant::now() < end && !self.asker.is_done() {
            let sent = Instant::now();
            self.turn().await?;
            latencies.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        Ok(latencies)
    }

    async fn turn(&mut self) -> anyhow::Result<()> {
        let answer = self.line.ask(&self.asker.ask()).await?;
        self.asker.answered(&answer)
    }
}
