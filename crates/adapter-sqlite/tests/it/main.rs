//! The contract tests of every store port, and of the embedded event log, on SQLite.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::sync::{Arc, Mutex};

use adapter_sqlite::{EmbeddedStore, SqliteSettings};
use async_trait::async_trait;
use libtest_mimic::Arguments;
use port_contracts::{EventLogFixture, Fixture, event_log_suite, suite};
use ports::{EventLog, EventPublisher, Stores};
use tempfile::TempDir;

/// A SQLite file in a temporary folder.
struct SqliteFixture {
    folder: TempDir,
    stores: Mutex<EmbeddedStore>,
}

impl SqliteFixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stores = Mutex::new(open(&folder));
        Self { folder, stores }
    }

    fn current_stores(&self) -> EmbeddedStore {
        self.stores
            .lock()
            .expect("no test panics while it opens the file")
            .clone()
    }
}

fn open(folder: &TempDir) -> EmbeddedStore {
    let settings = SqliteSettings {
        file: folder.path().join("authme.sqlite"),
        workers: 4,
    };
    adapter_sqlite::open(&settings).expect("the file opens")
}

#[async_trait]
impl Fixture for SqliteFixture {
    fn stores(&self) -> Stores {
        self.current_stores().stores
    }

    async fn reopen(&self) -> Stores {
        *self.stores.lock().expect("no test panics while it opens the file") = open(&self.folder);
        self.stores()
    }
}

impl EventLogFixture for SqliteFixture {
    fn event_log(&self) -> Arc<dyn EventLog> {
        self.current_stores().event_log
    }

    fn event_publisher(&self) -> Arc<dyn EventPublisher> {
        self.current_stores().event_publisher
    }
}

fn main() {
    let mut trials = suite("sqlite", || {
        Box::pin(async { Box::new(SqliteFixture::new()) as Box<dyn Fixture> })
    });
    trials.extend(event_log_suite("sqlite", || {
        Box::pin(async { Box::new(SqliteFixture::new()) as Box<dyn EventLogFixture> })
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
