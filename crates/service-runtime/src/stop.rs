use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The way a process ends: told once, heard everywhere.
pub struct Stop {
    stopping: watch::Sender<bool>,
    flag: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            stopping: watch::Sender::new(false),
            flag: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Stop {
    /// Turns true when the stop begins.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// The same, for readiness.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.flag.clone()
    }

    pub fn begin(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.stopping.send_replace(true);
    }
}

/// The signals that ask a process to end, SIGTERM and SIGINT: heard from the moment this is made.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns when the process is asked to end.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
