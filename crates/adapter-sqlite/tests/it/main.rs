//! The contracts of every store port, and of the embedded event log, on SQLite.

#![expect(clippy::expect_used, reason = "a contract that cannot be set up ends its test")]

use std::sync::{Arc, Mutex};

use adapter_sqlite::SqliteSettings;
use async_trait::async_trait;
use libtest_mimic::Arguments;
use port_contracts::{EventLogFixture, Fixture, Stores, event_log_suite, suite};
use ports::{EventLog, EventPublisher};
use tempfile::TempDir;

/// A file of its own.
struct Place {
    folder: TempDir,
    opened: Mutex<adapter_sqlite::Stores>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let opened = Mutex::new(open(&folder));
        Self { folder, opened }
    }

    fn opened(&self) -> adapter_sqlite::Stores {
        self.opened.lock().expect("no contract panics while it opens").clone()
    }
}

fn open(folder: &TempDir) -> adapter_sqlite::Stores {
    let settings = SqliteSettings {
        file: folder.path().join("authme.sqlite"),
        workers: 4,
    };
    adapter_sqlite::open(&settings).expect("the file opens")
}

fn stores(stores: adapter_sqlite::Stores) -> Stores {
    Stores {
        clients: stores.clients,
        identities: stores.identities,
        groups: stores.groups,
        known_names: stores.known_names,
        lock_statuses: stores.lock_statuses,
        credential_locks: stores.credential_locks,
        factor_sets: stores.factor_sets,
        send_quotas: stores.send_quotas,
        validation_tokens: stores.validation_tokens,
        refresh_families: stores.refresh_families,
        outboxes: stores.outboxes,
        garbage: stores.garbage,
    }
}

#[async_trait]
impl Fixture for Place {
    fn stores(&self) -> Stores {
        stores(self.opened())
    }

    async fn reopen(&self) -> Stores {
        *self.opened.lock().expect("no contract panics while it opens") = open(&self.folder);
        self.stores()
    }
}

impl EventLogFixture for Place {
    fn event_log(&self) -> Arc<dyn EventLog> {
        self.opened().event_log
    }

    fn event_publisher(&self) -> Arc<dyn EventPublisher> {
        self.opened().event_publisher
    }
}

fn main() {
    let mut trials = suite("sqlite", || {
        Box::pin(async { Box::new(Place::new()) as Box<dyn Fixture> })
    });
    trials.extend(event_log_suite("sqlite", || {
        Box::pin(async { Box::new(Place::new()) as Box<dyn EventLogFixture> })
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
