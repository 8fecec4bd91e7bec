//! Processes of servers, which outlive the task that started them.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

const READY_TIMEOUT: Duration = Duration::from_secs(90);
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(15);
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// A process, identified by its id and its start time. A later process with the same id has another start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pid: u32,
    /// The start time in clock ticks since the machine started.
    started_at: u64,
}

impl Process {
    /// Starts a process in a group of its own, so that Ctrl-C does not reach it. Its output goes to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pid = child.id();
        let started_at = read_stat(pid).context("the process ended immediately")?.started_at;
        Ok(Self { pid, started_at })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn is_running(&self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.started_at == self.started_at && !stat.has_ended)
    }

    /// Waits until `is_ready` returns true. If the server exits before or takes too long, the error has the end of its
    /// log.
    pub(crate) fn wait_until_ready(&self, log: &Path, is_ready: impl Fn() -> bool) -> anyhow::Result<()> {
        let started = Instant::now();
        while !is_ready() {
            let end_of_log = || last_lines(&fs::read_to_string(log).unwrap_or_default(), 15);
            let log = log.display();
            ensure!(
                self.is_running(),
                "it ended before it was ready; the end of {log}:\n{}",
                end_of_log()
            );
            ensure!(
                started.elapsed() < READY_TIMEOUT,
                "it was not ready in {} s; the end of {log}:\n{}",
                READY_TIMEOUT.as_secs(),
                end_of_log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Sends the signal, such as `TERM`, and then SIGKILL if the process does not end in time. Does nothing if the
    /// process has ended, even if another process has its id.
    pub(crate) fn stop(&self, signal: &str) -> anyhow::Result<()> {
        for (signal, timeout) in [(signal, TERMINATION_TIMEOUT), ("KILL", KILL_TIMEOUT)] {
            if !self.is_running() {
                return Ok(());
            }
            // The exit status is ignored, because the process may have ended by itself in the meantime.
            let script = ["-c", r#"kill -s "$1" "$2""#, "sh", signal];
            Command::new("sh").args(script).arg(self.pid.to_string()).output()?;
            let sent = Instant::now();
            while self.is_running() && sent.elapsed() < timeout {
                thread::sleep(Duration::from_millis(50));
            }
        }
        ensure!(!self.is_running(), "process {} cannot be killed", self.pid);
        Ok(())
    }
}

struct Stat {
    started_at: u64,
    /// The process is a zombie: its parent has not read its exit status.
    has_ended: bool,
}

fn read_stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses the form of proc(5). The name is in parentheses, and may itself contain parentheses. The state is field 3,
/// the start time is field 22.
fn parse_stat(stat: &str) -> Option<Stat> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X");
    let started_at = fields.nth(18)?.parse().ok()?;
    Some(Stat { started_at, has_ended })
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_sleep() -> Process {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::spawn(command, Path::new("/dev/null")).unwrap()
    }

    #[test]
    fn stopped_process_is_not_running() {
        let process = start_sleep();
        assert!(process.is_running());
        process.stop("TERM").unwrap();
        assert!(!process.is_running());
        process.stop("TERM").unwrap();
    }

    #[test]
    fn process_that_reuses_the_id_is_not_stopped() {
        let process = start_sleep();
        let earlier = Process {
            started_at: process.started_at - 1,
            ..process
        };
        assert!(!earlier.is_running());
        earlier.stop("TERM").unwrap();
        assert!(process.is_running());
        process.stop("INT").unwrap();
    }

    #[test]
    fn server_that_ends_early_returns_the_end_of_its_log() {
        let log = std::env::temp_dir().join(format!("authme-test-servers-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.1; echo no such folder >&2; exit 1"]);
        let process = Process::spawn(command, &log).unwrap();
        let error = process.wait_until_ready(&log, || false).unwrap_err().to_string();
        assert!(error.contains("ended before it was ready"), "{error}");
        assert!(error.ends_with("no such folder"), "{error}");
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn parse_stat_accepts_a_name_with_parentheses() {
        let fields: Vec<_> = (4..=30).map(|field| field.to_string()).collect();
        let stat = parse_stat(&format!("7 (a) b (c) S {}", fields.join(" "))).unwrap();
        assert_eq!(stat.started_at, 22);
        assert!(!stat.has_ended);
        assert!(parse_stat(&format!("7 (a) Z {}", fields.join(" "))).unwrap().has_ended);
        assert!(parse_stat("7 (a) S 4 5").is_none());
    }
}
