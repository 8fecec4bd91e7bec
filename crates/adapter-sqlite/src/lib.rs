//! All store ports and the embedded event log, in one local SQLite file. No other crate depends on `rusqlite`.

mod backup;
mod checkpoints;
mod clients;
mod command;
mod credential_locks;
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
mod probe;
mod readers;
mod row_codec;
mod schema;
mod sessions;
mod store_base;
mod tokens;
mod upkeep;
mod versioned_store;
mod writer;

use std::path::Path;
use std::sync::Arc;

use ports::{EventLog, EventPublisher, Stores};

pub use backup::{BackupError, back_up, check, raise_base};
use database::Database;
pub use database::SqliteSettings;
pub use error::OpenError;
use stored_forms::Json;
use stored_forms::factors::FactorSetForm;
use stored_forms::sessions::SignInForm;
use versioned_store::SqliteVersioned;

/// One open file: the stores, and the event log that stands in for a broker.
#[derive(Clone)]
pub struct EmbeddedStore {
    pub stores: Stores,
    pub event_publisher: Arc<dyn EventPublisher>,
    pub event_log: Arc<dyn EventLog>,
}

/// Creates a store in an empty file, whose mode stays the same. Applies the missing migrations to an existing store.
pub fn create(file: &Path) -> Result<(), OpenError> {
    checkpoints::close(writer::open(file)?, file);
    Ok(())
}

/// Opens the file, creates it if it does not exist, and applies the missing migrations. A file of a newer schema
/// version is refused and left unchanged.
pub fn open(settings: &SqliteSettings) -> Result<EmbeddedStore, OpenError> {
    let database = Arc::new(Database::open(settings)?);
    let log = Arc::new(event_log::SqliteEventLog::new(database.clone())?);
    let stores = Stores {
        clients: Arc::new(clients::SqliteClients(database.clone())),
        identities: Arc::new(identities::SqliteIdentities(database.clone())),
        groups: Arc::new(groups::SqliteGroups(database.clone())),
        known_names: Arc::new(known_names::SqliteKnownNames(database.clone())),
        lock_statuses: Arc::new(lock_statuses::SqliteLockStatuses(database.clone())),
        credential_locks: Arc::new(credential_locks::SqliteCredentialLocks::new(&database)),
        factor_sets: SqliteVersioned::<FactorSetForm<Json>>::new(&database),
        send_quotas: Arc::new(factors::send_quotas::SqliteSendQuotas(database.clone())),
        validation_tokens: Arc::new(tokens::validation_tokens::SqliteValidationTokens(database.clone())),
        refresh_families: Arc::new(sessions::refresh_families::SqliteRefreshFamilies(database.clone())),
        sign_ins: SqliteVersioned::<SignInForm>::new(&database),
        sign_in_statuses: Arc::new(sessions::sign_in_statuses::SqliteSignInStatuses(database.clone())),
        used_once: Arc::new(sessions::used_once::SqliteUsedOnce(database.clone())),
        upkeep: Arc::new(upkeep::SqliteUpkeep::new(database)),
    };
    Ok(EmbeddedStore {
        stores,
        event_publisher: log.clone(),
        event_log: log,
    })
}
