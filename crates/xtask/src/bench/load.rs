use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::connection::Connection;
use super::process::Server;

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

/// Runs one asker per connection, each waiting for its answer before it asks again, for `length` after a warm-up.
/// An asker sends one request and checks the answer; one that fails ends the whole measurement.
pub(crate) fn run<F>(server: &Server, askers: Vec<F>, length: Duration) -> anyhow::Result<Outcome>
where
    F: FnMut(&mut Connection) -> anyhow::Result<()> + Send,
{
    let count = askers.len();
    let gate = Barrier::new(count + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = askers
            .into_iter()
            .map(|asker| {
                let gate = &gate;
                scope.spawn(move || drive(server, asker, gate, length))
            })
            .collect();
        gate.wait();
        let before = server.cpu();
        let begun = Instant::now();
        gate.wait();
        gate.wait();
        let (took, after) = (begun.elapsed(), server.cpu());
        let cpu = after?.saturating_sub(before?);
        let mut latencies = Vec::new();
        for thread in threads {
            let samples = thread.join().ok().context("a connection panicked")?;
            latencies.extend(samples?);
        }
        ensure!(!latencies.is_empty(), "nothing was answered");
        Ok(Outcome {
            requests: latencies.len() as u64,
            took,
            cpu,
            latencies,
        })
    })
}

/// Warms up, waits for the others, measures, waits for the others again. It always meets them, whatever fails.
fn drive<F>(server: &Server, mut asker: F, gate: &Barrier, length: Duration) -> anyhow::Result<Vec<f64>>
where
    F: FnMut(&mut Connection) -> anyhow::Result<()>,
{
    let warmed = Connection::open(server.port).and_then(|mut connection| {
        for _ in 0..20 {
            asker(&mut connection)?;
        }
        Ok(connection)
    });
    gate.wait();
    gate.wait();
    let measured = warmed.and_then(|mut connection| {
        let begun = Instant::now();
        let mut latencies = Vec::with_capacity(4096);
        while begun.elapsed() < length {
            let sent = Instant::now();
            asker(&mut connection)?;
            latencies.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        Ok(latencies)
    });
    gate.wait();
    measured
}
