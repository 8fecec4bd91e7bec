//! Captures the log of all libraries at every level while the trials run.

use std::io;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;

use crate::messages::SECRETS;

static JOURNAL: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Journal;

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        JOURNAL
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the capture. Times and threads are left out, because their digits could contain a code by chance.
pub(crate) fn start() {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(|| Journal)
        .init();
}

pub(crate) fn contents() -> String {
    let journal = JOURNAL.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&journal).into_owned()
}

pub(crate) fn assert_no_secret() -> Result<(), String> {
    let log = contents();
    let leak = log
        .lines()
        .find(|line| SECRETS.iter().any(|secret| line.contains(secret)));
    leak.map_or(Ok(()), |line| Err(format!("the log contains a secret: {line}")))
}
