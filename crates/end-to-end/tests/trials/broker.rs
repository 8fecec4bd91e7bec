use std::process::Command;

/// The process of the broker that `cargo xtask servers up` started.
#[derive(Clone, Copy)]
pub(crate) struct Broker {
    pid: u32,
}

/// A paused broker. Dropping it resumes the broker.
pub(crate) struct PausedBroker(Broker);

impl Broker {
    /// Returns the broker; `None` when it was not started from the package registries.
    pub(crate) fn find() -> Option<Self> {
        let pid = test_servers::Broker::find().ok()?.pid()?;
        Some(Self { pid })
    }

    /// Stops it. Its port and its data stay.
    pub(crate) fn stop() {
        let broker = test_servers::Broker::find();
        broker
            .and_then(test_servers::Broker::stop)
            .expect("the broker can be stopped");
    }

    /// Starts it again and waits until it is ready.
    pub(crate) fn start() {
        let broker = test_servers::Broker::find();
        broker
            .and_then(test_servers::Broker::start)
            .expect("the broker can be started");
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
