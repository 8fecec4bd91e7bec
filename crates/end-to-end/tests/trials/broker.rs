use std::process::Command;

/// The broker that `cargo xtask servers up` started.
#[derive(Clone, Copy)]
pub(crate) struct Broker {
    pid: u32,
}

/// A paused broker. Dropping it resumes the broker.
pub(crate) struct PausedBroker(Broker);

impl Broker {
    /// Returns the broker that `cargo xtask servers up` started; `None` when there is none or xtask is not built.
    pub(crate) fn find() -> Option<Self> {
        let status = run_servers_task(&["status"])?;
        let line = status.lines().find(|line| line.starts_with("kafka "))?;
        let (_, pid) = line.rsplit_once(" kafka ")?;
        Some(Self { pid: pid.parse().ok()? })
    }

    /// Stops it. Its port and its data stay.
    pub(crate) fn stop() {
        run_servers_task(&["stop", "kafka"]).expect("the broker can be stopped");
    }

    /// Starts it again and waits until it is ready.
    pub(crate) fn start() {
        run_servers_task(&["start", "kafka"]).expect("the broker can be started");
    }

    /// Pauses it (SIGSTOP).
    pub(crate) fn pause(self) -> PausedBroker {
        self.signal("-STOP");
        PausedBroker(self)
    }

    fn signal(self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.pid.to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "the broker has ended");
    }
}

impl Drop for PausedBroker {
    fn drop(&mut self) {
        self.0.signal("-CONT");
    }
}

/// Runs a task of `cargo xtask servers` and returns its output; `None` when it fails. The program is in the folder of
/// the build profile of this test.
fn run_servers_task(task: &[&str]) -> Option<String> {
    let test = std::env::current_exe().ok()?;
    let program = test.ancestors().nth(2)?.join("xtask");
    let output = Command::new(program).arg("servers").args(task).output().ok()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(stdout)
}
