use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The shutdown signal inside a process. [`begin`](Self::begin) sets it and notifies every subscriber.
pub struct Stop {
    sender: watch::Sender<bool>,
    /// The same signal for the readiness check, which only reads its current state.
    is_stopping: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            sender: watch::Sender::new(false),
            is_stopping: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Stop {
    /// Returns a receiver whose value turns true when the shutdown begins.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }

    /// Returns a flag that turns true when the shutdown begins.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.is_stopping.clone()
    }

    /// Begins the shutdown. Repeated calls have no effect.
    pub fn begin(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.sender.send_replace(true);
    }
}

/// The signals that end a process: SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. A signal that arrives before [`recv`](Self::recv) is called is kept for it.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
