//! Requests at fixed times, whatever the answers take.

use std::cell::Cell;
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep_until};

use super::follower::microseconds;
use crate::bench::line::Line;

/// So many may be under way at the same time; a later one is late, and that counts.
const CONNECTIONS: usize = 64;

/// Between opening the connections and the first request.
const LEAD: Duration = Duration::from_millis(50);

/// A request that was answered with 204.
pub(super) struct Sent {
    /// In microseconds since the epoch.
    pub(super) scheduled_at: u64,
    /// Milliseconds from there to the whole answer.
    pub(super) took: f64,
}

/// Sends the requests in their order, one each `pause`.
pub(super) fn run(port: u16, requests: &[String], pause: Duration) -> anyhow::Result<Vec<Sent>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let lines = try_join_all((0..CONNECTIONS).map(|_| Line::open(port))).await?;
        let schedule = Schedule {
            requests,
            pause,
            begins: Instant::now() + LEAD,
            begins_at: microseconds() + u64::try_from(LEAD.as_micros())?,
            next: Cell::new(0),
        };
        let sent = try_join_all(lines.into_iter().map(|line| schedule.work(line))).await?;
        let mut sent: Vec<(u32, Sent)> = sent.into_iter().flatten().collect();
        sent.sort_by_key(|(n, _)| *n);
        Ok(sent.into_iter().map(|(_, sent)| sent).collect())
    })
}

struct Schedule<'a> {
    requests: &'a [String],
    pause: Duration,
    begins: Instant,
    begins_at: u64,
    next: Cell<u32>,
}

impl Schedule<'_> {
    /// Takes the next request, again and again, and waits until it is due.
    async fn work(&self, mut line: Line) -> anyhow::Result<Vec<(u32, Sent)>> {
        let mut sent = Vec::new();
        loop {
            let n = self.next.replace(self.next.get() + 1);
            let Some(request) = self.requests.get(n as usize) else {
                return Ok(sent);
            };
            let after = self.pause * n;
            let due = self.begins + after;
            sleep_until(due).await;
            let answer = line.ask(request).await?;
            ensure!(answer.status == 204, "status {}", answer.status);
            let scheduled_at = self.begins_at + u64::try_from(after.as_micros())?;
            let took = due.elapsed().as_secs_f64() * 1e3;
            sent.push((n, Sent { scheduled_at, took }));
        }
    }
}
