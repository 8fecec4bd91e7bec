use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use test_servers::authme::Server;
use test_servers::http::Response;

use crate::async_connection::AsyncConnection;

/// The number of threads of the load. Each drives its share of the connections from one event loop. With a thread per
/// connection, every response would wake a thread, and the wake-up would count as CPU time of the server.
const THREADS: usize = 2;

/// The number of requests per connection before the measurement starts.
pub(crate) const WARM_UP: usize = 20;

/// The requests of one connection.
pub(crate) trait LoadClient: Send {
    /// Returns the next request.
    fn next_request(&mut self) -> String;

    /// Handles the response. An error makes the whole measurement fail.
    fn handle_response(&mut self, response: &Response) -> anyhow::Result<()>;

    /// Returns whether there is no further request.
    fn is_done(&self) -> bool {
        false
    }
}

/// The measurements of a load.
pub(crate) struct LoadResult {
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
    /// CPU time of the server alone.
    pub(crate) cpu: Duration,
    /// The latency of each request, in milliseconds.
    pub(crate) latencies: Vec<f64>,
}

impl LoadResult {
    #[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.duration.as_secs_f64()
    }

    /// Returns the server's CPU time of one request, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
    pub(crate) fn cpu_microseconds(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

/// Runs every client on a connection of its own for `length`, after a warm-up. A client sends its next request when it
/// has the response to the previous one.
pub(crate) fn run<C: LoadClient>(server: &Server, clients: Vec<C>, length: Duration) -> anyhow::Result<LoadResult> {
    let barrier = Barrier::new(THREADS + 1);
    let mut shares: Vec<Vec<C>> = (0..THREADS).map(|_| Vec::new()).collect();
    for (index, client) in clients.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(index % THREADS) {
            share.push(client);
        }
    }
    thread::scope(|scope| {
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let barrier = &barrier;
                scope.spawn(move || drive(server.port, share, barrier, length))
            })
            .collect();
        barrier.wait();
        let (before, begun) = (server.cpu(), Instant::now());
        barrier.wait();
        barrier.wait();
        let (after, duration) = (server.cpu(), begun.elapsed());
        let mut latencies = Vec::new();
        for thread in threads {
            let samples = thread.join().ok().context("the load panicked")?;
            latencies.extend(samples?);
        }
        ensure!(!latencies.is_empty(), "no request was answered");
        let cpu = after?.saturating_sub(before?);
        Ok(LoadResult {
            requests: latencies.len() as u64,
            duration,
            cpu,
            latencies,
        })
    })
}

/// Warms up its share of the connections, and measures them. Waits for the other threads at the barrier before and
/// after the measurement. It does so even after an error, because the other threads would otherwise wait forever.
fn drive<C: LoadClient>(port: u16, clients: Vec<C>, barrier: &Barrier, length: Duration) -> anyhow::Result<Vec<f64>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let warmed_up = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let connected_clients = runtime.block_on(async {
            let mut connected_clients = Vec::with_capacity(clients.len());
            for client in clients {
                let connection = AsyncConnection::open(port).await?;
                let mut connected = ConnectedClient { connection, client };
                for _ in 0..WARM_UP {
                    connected.send_one().await?;
                }
                connected_clients.push(connected);
            }
            anyhow::Ok(connected_clients)
        })?;
        Ok((runtime, connected_clients))
    });
    barrier.wait();
    barrier.wait();
    let latencies =
        warmed_up.and_then(|(runtime, connected_clients)| runtime.block_on(measure(connected_clients, length)));
    barrier.wait();
    latencies
}

async fn measure<C: LoadClient>(
    mut connected_clients: Vec<ConnectedClient<C>>,
    length: Duration,
) -> anyhow::Result<Vec<f64>> {
    let begun = Instant::now();
    let running = connected_clients
        .iter_mut()
        .map(|connected| connected.run_until(begun + length));
    Ok(try_join_all(running).await?.concat())
}

/// A client and its connection.
struct ConnectedClient<C> {
    connection: AsyncConnection,
    client: C,
}

impl<C: LoadClient> ConnectedClient<C> {
    async fn run_until(&mut self, end: Instant) -> anyhow::Result<Vec<f64>> {
        let mut latencies = Vec::with_capacity(4096);
        while Instant::now() < end && !self.client.is_done() {
            let sent = Instant::now();
            self.send_one().await?;
            latencies.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        Ok(latencies)
    }

    async fn send_one(&mut self) -> anyhow::Result<()> {
        let response = self.connection.send(&self.client.next_request()).await?;
        self.client.handle_response(&response)
    }
}
