use std::path::Path;
use std::sync::Arc;

use adapter_sqlite::SqliteSettings;
use ports::credential_lock::CredentialLocks;
use ports::factors::{FactorSets, SendQuotas};
use ports::tokens::{RefreshFamilies, ValidationTokens};
use ports::{Clients, EventLog, EventPublisher, Groups, Identities, LockStatuses, Outboxes};

/// The stores of a test app, of either adapter.
pub(crate) struct Stores {
    pub(crate) clients: Arc<dyn Clients>,
    pub(crate) identities: Arc<dyn Identities>,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) lock_statuses: Arc<dyn LockStatuses>,
    pub(crate) credential_locks: Arc<dyn CredentialLocks>,
    pub(crate) factor_sets: Arc<dyn FactorSets>,
    pub(crate) send_quotas: Arc<dyn SendQuotas>,
    pub(crate) validation_tokens: Arc<dyn ValidationTokens>,
    pub(crate) refresh_families: Arc<dyn RefreshFamilies>,
    pub(crate) outboxes: Arc<dyn Outboxes>,
    pub(crate) event_publisher: Arc<dyn EventPublisher>,
    /// The published events, in order.
    pub(crate) event_log: Arc<dyn EventLog>,
}

/// Opens all stores in one file of the folder.
pub(crate) fn sqlite(folder: &Path) -> Stores {
    let file = folder.join("authme.sqlite");
    let stores = adapter_sqlite::open(&SqliteSettings { file, workers: 4 }).unwrap();
    Stores {
        clients: stores.clients,
        identities: stores.identities,
        groups: stores.groups,
        lock_statuses: stores.lock_statuses,
        credential_locks: stores.credential_locks,
        factor_sets: stores.factor_sets,
        send_quotas: stores.send_quotas,
        validation_tokens: stores.validation_tokens,
        refresh_families: stores.refresh_families,
        outboxes: stores.outboxes,
        event_publisher: stores.event_publisher,
        event_log: stores.event_log,
    }
}
