//! All store ports and the embedded event log, in one local SQLite file. No other crate depends on `rusqlite`.

mod actor_document;
mod clients;
mod credential_lock;
mod database;
mod error;
mod event_log;
mod expired_records;
mod factors;
mod groups;
mod identities;
mod known_names;
mod lock_statuses;
mod outbox;
mod outboxes;
mod readers;
mod row_codec;
mod schema;
mod tokens;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use ports::credential_lock::CredentialLocks;
use ports::factors::{FactorSets, SendQuotas};
use ports::tokens::{RefreshFamilies, ValidationTokens};
use ports::{
    Clients, EventLog, EventPublisher, ExpiredRecords, Groups, Identities, KnownNames, LockStatuses, Outboxes,
    Readiness,
};

use database::Database;
pub use error::OpenError;

/// Settings of the embedded store.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    pub file: PathBuf,
    /// The number of threads that read at the same time. One connection is kept open for each.
    pub workers: usize,
}

/// The store ports over one file.
#[derive(Clone)]
pub struct Stores {
    pub clients: Arc<dyn Clients>,
    pub identities: Arc<dyn Identities>,
    pub groups: Arc<dyn Groups>,
    pub known_names: Arc<dyn KnownNames>,
    pub lock_statuses: Arc<dyn LockStatuses>,
    pub credential_locks: Arc<dyn CredentialLocks>,
    pub factor_sets: Arc<dyn FactorSets>,
    pub send_quotas: Arc<dyn SendQuotas>,
    pub validation_tokens: Arc<dyn ValidationTokens>,
    pub refresh_families: Arc<dyn RefreshFamilies>,
    pub outboxes: Arc<dyn Outboxes>,
    pub expired_records: Arc<dyn ExpiredRecords>,
    pub event_publisher: Arc<dyn EventPublisher>,
    pub event_log: Arc<dyn EventLog>,
    pub readiness: Arc<dyn Readiness>,
}

/// Opens the file, creates it if it does not exist, and applies the missing migrations. A file of a newer schema
/// version is refused and left unchanged.
pub fn open(settings: &SqliteSettings) -> Result<Stores, OpenError> {
    let database = Arc::new(Database::open(settings)?);
    let log = Arc::new(event_log::SqliteEventLog::new(database.clone())?);
    Ok(Stores {
        clients: Arc::new(clients::SqliteClients(database.clone())),
        identities: Arc::new(identities::SqliteIdentities(database.clone())),
        groups: Arc::new(groups::SqliteGroups(database.clone())),
        known_names: Arc::new(known_names::SqliteKnownNames(database.clone())),
        lock_statuses: Arc::new(lock_statuses::SqliteLockStatuses(database.clone())),
        credential_locks: Arc::new(credential_lock::credential_locks::SqliteCredentialLocks(
            database.clone(),
        )),
        factor_sets: Arc::new(factors::factor_sets::SqliteFactorSets(database.clone())),
        send_quotas: Arc::new(factors::send_quotas::SqliteSendQuotas(database.clone())),
        validation_tokens: Arc::new(tokens::validation_tokens::SqliteValidationTokens(database.clone())),
        refresh_families: Arc::new(tokens::refresh_families::SqliteRefreshFamilies(database.clone())),
        outboxes: Arc::new(outboxes::SqliteOutboxes::new(database.clone())),
        expired_records: Arc::new(expired_records::SqliteExpiredRecords(database.clone())),
        event_publisher: log.clone(),
        event_log: log,
        readiness: database,
    })
}
