use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The way a process ends: told once, heard everywhere.
pub struct Stop {
    told: watch::Sender<bool>,
    flag: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            told: watch::Sender::new(false),
            flag: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Stop {
    /// Turns true when the stop begins.
    pub fn heard(&self) -> watch::Receiver<bool> {
        self.told.subscribe()
    }

    /// The same, for readiness.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.flag.clone()
    }

    pub fn begin(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.told.send_replace(true);
    }
}

/// Returns when the process is asked to end (SIGTERM or SIGINT).
pub async fn signalled() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
