//! Sends requests at fixed times, no matter how long the responses take.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep_until};

use super::consumer::now_in_microseconds;
use crate::async_connection::AsyncConnection;

/// The number of connections, which is the maximum number of requests in flight. A request that has to wait for a
/// connection is late, and the wait counts as latency.
const CONNECTIONS: usize = 64;

/// The time between the opening of the connections and the first request.
const LEAD: Duration = Duration::from_millis(50);

/// A request whose response was 204.
pub(super) struct SentRequest {
    /// Microseconds since the Unix epoch.
    pub(super) scheduled_at: u64,
    /// Milliseconds from the scheduled time to the complete response.
    pub(super) latency: f64,
}

/// Sends the requests in their order, one every `pause`.
pub(super) fn run(port: u16, requests: &[String], pause: Duration) -> anyhow::Result<Vec<SentRequest>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connections = try_join_all((0..CONNECTIONS).map(|_| AsyncConnection::open(port))).await?;
        let schedule = Schedule {
            requests,
            pause,
            start: Instant::now() + LEAD,
            start_in_microseconds: now_in_microseconds() + u64::try_from(LEAD.as_micros())?,
            next: Cell::new(0),
        };
        let sent = try_join_all(
            connections
                .into_iter()
                .map(|connection| schedule.send_due_requests(connection)),
        )
        .await?;
        let mut sent: Vec<(u32, SentRequest)> = sent.into_iter().flatten().collect();
        sent.sort_by_key(|(n, _)| *n);
        Ok(sent.into_iter().map(|(_, sent)| sent).collect())
    })
}

struct Schedule<'a> {
    requests: &'a [String],
    pause: Duration,
    start: Instant,
    /// The same in microseconds since the Unix epoch.
    start_in_microseconds: u64,
    next: Cell<u32>,
}

impl Schedule<'_> {
    /// Sends requests on the connection, each when it is due, until the schedule is empty.
    async fn send_due_requests(&self, mut connection: AsyncConnection) -> anyhow::Result<Vec<(u32, SentRequest)>> {
        let mut sent = Vec::new();
        loop {
            let n = self.next.replace(self.next.get() + 1);
            let Some(request) = self.requests.get(n as usize) else {
                return Ok(sent);
            };
            let after = self.pause * n;
            let due = self.start + after;
            sleep_until(due).await;
            let response = connection.send(request).await?;
            response.expect_status(204)?;
            let scheduled_at = self.start_in_microseconds + u64::try_from(after.as_micros())?;
            let latency = due.elapsed().as_secs_f64() * 1e3;
            sent.push((n, SentRequest { scheduled_at, latency }));
        }
    }
}
