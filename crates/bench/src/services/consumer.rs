use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// The maximum pause between two events. After it, [`Consumer::await_events`] fails.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// An event: its subject and its sequence number.
pub(super) type Event = (String, u64);

/// A consumer of the topics in a process of its own. Dropping it kills the process.
pub(super) struct Consumer {
    child: Child,
    /// The first arrival of each event, in microseconds since the Unix epoch.
    arrivals: Arc<Mutex<HashMap<Event, u64>>>,
}

/// A line of the example `follow_events`.
#[derive(Deserialize)]
struct Line {
    arrived: u64,
    subject: String,
    sequence: u64,
}

impl Consumer {
    /// Starts a consumer that reads from the oldest retained event on.
    pub(super) fn start(program: &Path, brokers: &str) -> anyhow::Result<Self> {
        let group = format!("authme-bench-{}", now_in_microseconds());
        let mut child = Command::new(program)
            .args([brokers, &group])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("the consumer has no output")?;
        let arrivals = Arc::new(Mutex::new(HashMap::new()));
        let shared = arrivals.clone();
        thread::spawn(move || read(stdout, &shared));
        Ok(Self { child, arrivals })
    }

    /// Waits for these events. Returns when each arrived first, in microseconds since the Unix epoch.
    pub(super) fn await_events(&self, events: &[Event]) -> anyhow::Result<Vec<u64>> {
        let (mut last_count, mut last_progress) = (0, Instant::now());
        loop {
            let arrivals: Vec<u64> = {
                let all = self.lock_arrivals();
                events.iter().map_while(|event| all.get(event).copied()).collect()
            };
            if arrivals.len() == events.len() {
                return Ok(arrivals);
            }
            let count = self.lock_arrivals().len();
            if count > last_count {
                (last_count, last_progress) = (count, Instant::now());
            }
            ensure!(
                last_progress.elapsed() < MAX_PAUSE,
                "no event arrived for a minute; the first missing one is {:?}",
                events.get(arrivals.len())
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn lock_arrivals(&self) -> MutexGuard<'_, HashMap<Event, u64>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(stdout: ChildStdout, arrivals: &Mutex<HashMap<Event, u64>>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Ok(line) = serde_json::from_str::<Line>(&line) {
            let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
            arrivals.entry((line.subject, line.sequence)).or_insert(line.arrived);
        }
    }
}

/// Returns the time of the system clock, which all processes share, in microseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "a benchmark has no Clock port")]
pub(super) fn now_in_microseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()
}
