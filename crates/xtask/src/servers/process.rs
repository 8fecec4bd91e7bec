//! A server that outlives the task that started it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

const READY_WITHIN: Duration = Duration::from_secs(90);
const ENDS_WITHIN: Duration = Duration::from_secs(15);
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// A process id that stays true: another process that is given the same id later began at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: u32,
    /// In clock ticks since the machine started.
    started_at: u64,
}

/// How a server is asked to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    Terminate,
    /// `postgresql` waits for its clients to leave when it is terminated, and sends them away when it is interrupted.
    Interrupt,
}

impl Process {
    /// In a process group of its own, so that Ctrl-C does not reach it; all it says goes to `log`.
    pub(super) fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pid = child.id();
        let started_at = stat(pid).context("a process ended as soon as it began")?.started_at;
        Ok(Self { pid, started_at })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn runs(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started_at == self.started_at && !stat.ended)
    }

    /// Waits until the server is `ready`. When it is not, the error shows the end of its log.
    pub(super) fn wait_until_ready(&self, log: &Path, ready: impl Fn() -> bool) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !ready() {
            let end_of_log = || last_lines(&fs::read_to_string(log).unwrap_or_default(), 15);
            let log = log.display();
            ensure!(
                self.runs(),
                "it ended before it was ready; the end of {log}:\n{}",
                end_of_log()
            );
            ensure!(
                begun.elapsed() < READY_WITHIN,
                "it was not ready in {} s; the end of {log}:\n{}",
                READY_WITHIN.as_secs(),
                end_of_log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Asks it to end, and kills it when it does not. Does nothing when it ended before, even if its id is in use again.
    pub(super) fn end(&self, signal: Signal) -> anyhow::Result<()> {
        let name = match signal {
            Signal::Terminate => "TERM",
            Signal::Interrupt => "INT",
        };
        for (signal, patience) in [(name, ENDS_WITHIN), ("KILL", KILLED_WITHIN)] {
            if !self.runs() {
                return Ok(());
            }
            // Its answer does not matter: the process may end by itself just now.
            let script = ["-c", r#"kill -s "$1" "$2""#, "sh", signal];
            Command::new("sh").args(script).arg(self.pid.to_string()).output()?;
            let asked = Instant::now();
            while self.runs() && asked.elapsed() < patience {
                thread::sleep(Duration::from_millis(50));
            }
        }
        ensure!(!self.runs(), "process {} cannot be ended", self.pid);
        Ok(())
    }
}

struct Stat {
    started_at: u64,
    /// It is only still listed, because nobody asked for its exit status.
    ended: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    parsed(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc(5): the name is in brackets and may hold brackets itself; the state is field 3, the start is field 22.
fn parsed(stat: &str) -> Option<Stat> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    let started_at = fields.nth(18)?.parse().ok()?;
    Some(Stat { started_at, ended })
}

/// Runs a step of an installation or a start. What it says is shown only when it fails.
pub(super) fn must_succeed_quietly(mut command: Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = last_lines(&String::from_utf8_lossy(&said), 15);
        bail!("{program} failed ({}):\n{said}", output.status);
    }
    Ok(())
}

/// Whether it succeeds in time.
pub(super) fn succeeds(mut command: Command, within: Duration) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = silent.spawn() else { return false };
    let begun = Instant::now();
    while begun.elapsed() < within {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeping() -> Process {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::spawn(command, Path::new("/dev/null")).unwrap()
    }

    #[test]
    fn an_ended_process_does_not_run() {
        let process = sleeping();
        assert!(process.runs());
        process.end(Signal::Terminate).unwrap();
        assert!(!process.runs());
        process.end(Signal::Terminate).unwrap();
    }

    #[test]
    fn a_process_that_took_over_the_id_is_left_alone() {
        let process = sleeping();
        let earlier = Process {
            started_at: process.started_at - 1,
            ..process
        };
        assert!(!earlier.runs());
        earlier.end(Signal::Terminate).unwrap();
        assert!(process.runs());
        process.end(Signal::Interrupt).unwrap();
    }

    #[test]
    fn a_server_that_ends_early_is_an_error_with_its_last_words() {
        let log = std::env::temp_dir().join(format!("authme-xtask-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.1; echo no such folder >&2; exit 1"]);
        let process = Process::spawn(command, &log).unwrap();
        let failure = process.wait_until_ready(&log, || false).unwrap_err().to_string();
        assert!(failure.contains("ended before it was ready"), "{failure}");
        assert!(failure.ends_with("no such folder"), "{failure}");
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_program_that_hangs_does_not_succeed() {
        let program = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        assert!(succeeds(program("exit 0"), Duration::from_mins(1)));
        assert!(!succeeds(program("exit 1"), Duration::from_mins(1)));
        assert!(!succeeds(program("exec sleep 60"), Duration::from_millis(50)));
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let fields: Vec<_> = (4..=30).map(|field| field.to_string()).collect();
        let stat = parsed(&format!("7 (a) b (c) S {}", fields.join(" "))).unwrap();
        assert_eq!(stat.started_at, 22);
        assert!(!stat.ended);
        assert!(parsed(&format!("7 (a) Z {}", fields.join(" "))).unwrap().ended);
        assert!(parsed("7 (a) S 4 5").is_none());
    }
}
