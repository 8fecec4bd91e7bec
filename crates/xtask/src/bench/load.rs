use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connection::{Answer, request};
use super::process::Server;

/// Threads of the load. Each drives its share of the connections from one event loop, so that an answer costs the
/// server no wake-up of a thread that waits for nothing else.
const THREADS: usize = 2;

/// Requests of each connection that are not counted.
const WARM_UP: usize = 20;

/// What one connection asks, again and again.
pub(crate) trait Asker: Send {
    /// Method, path and `Authorization` header of the next request.
    fn ask(&mut self) -> (&'static str, String, String);

    /// Takes the answer; an error ends the whole measurement.
    fn answered(&mut self, answer: &Answer) -> anyhow::Result<()>;
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
                let mut line = Line {
                    stream: TcpStream::connect(("127.0.0.1", port)).await?,
                    asker,
                };
                line.stream.set_nodelay(true)?;
                for _ in 0..WARM_UP {
                    line.turn().await?;
                }
                lines.push(line);
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

async fn measure<A: Asker>(mut lines: Vec<Line<A>>, length: Duration) -> anyhow::Result<Vec<f64>> {
    let begun = Instant::now();
    let running = lines.iter_mut().map(|line| line.run_until(begun + length));
    Ok(try_join_all(running).await?.concat())
}

/// An asker on its connection.
struct Line<A> {
    stream: TcpStream,
    asker: A,
}

impl<A: Asker> Line<A> {
    async fn run_until(&mut self, end: Instant) -> anyhow::Result<Vec<f64>> {
        let mut latencies = Vec::with_capacity(4096);
        while Instant::now() < end {
            let sent = Instant::now();
            self.turn().await?;
            latencies.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        Ok(latencies)
    }

    async fn turn(&mut self) -> anyhow::Result<()> {
        let (method, path, authorization) = self.asker.ask();
        self.stream
            .write_all(request(method, &path, &authorization, "").as_bytes())
            .await?;
        let answer = self.answer().await?;
        self.asker.answered(&answer)
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut bytes = Vec::with_capacity(4096);
        loop {
            ensure!(self.stream.read_buf(&mut bytes).await? > 0, "the connection was closed");
            if let Some(answer) = Answer::parse(&bytes)? {
                return Ok(answer);
            }
        }
    }
}
