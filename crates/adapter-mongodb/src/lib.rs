//! Every store on MongoDB. No other crate names `mongodb`.
//!
//! A call of the driver is one task on the runtime that opened the store, and is never dropped half-way: whoever waits for
//! it may give up, the task goes on to its end; only one that has had no answer for long is broken off, and its connection
//! closed. Each write is of one document and conditional, and a task makes no more than one: what follows from its outcome
//! is decided by the caller, so nothing is decided once the caller has gone. What must be unique is an `_id`, so every
//! collection can be sharded by its hash.

mod actor_document;
mod batcher;
mod bson_codec;
mod call_runner;
mod causal_session;
mod clients;
mod connection;
mod contact_documents;
mod credential_lock;
mod database;
mod elections;
mod error;
mod expired_records;
mod factors;
mod groups;
mod identities;
mod indexes;
mod known_names;
mod lock_statuses;
mod outbox;
mod outboxes;
mod reservations;
mod session_pool;
mod statements;
mod tokens;

use std::sync::Arc;

use ports::credential_lock::CredentialLocks;
use ports::factors::{FactorSets, SendQuotas};
use ports::tokens::{RefreshFamilies, ValidationTokens};
use ports::{Aggregate, Clients, ExpiredRecords, Groups, Identities, KnownNames, LockStatuses, Outboxes, Readiness};

pub use connection::{MongodbSettings, certificate_key_file};
use database::Database;
pub use error::{DriverError, OpenError};
pub use indexes::{Index, indexes};

/// Every store, over one database.
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
    pub readiness: Arc<dyn Readiness>,
    database: Arc<Database>,
}

/// Connects and warms the pool. Every later call runs on the runtime that this is called on.
///
/// # Errors
///
/// A URI that cannot be read, or that asks for weaker reads or writes than ours; a server that does not answer.
pub async fn open(settings: &MongodbSettings) -> Result<Stores, OpenError> {
    let database = Arc::new(Database::open(settings).await?);
    Ok(Stores {
        clients: Arc::new(clients::MongodbClients(database.clone())),
        identities: Arc::new(identities::MongodbIdentities(database.clone())),
        groups: Arc::new(groups::MongodbGroups(database.clone())),
        known_names: Arc::new(known_names::MongodbKnownNames(database.clone())),
        lock_statuses: Arc::new(lock_statuses::MongodbLockStatuses(database.clone())),
        credential_locks: Arc::new(credential_lock::credential_locks::MongodbCredentialLocks(
            database.clone(),
        )),
        factor_sets: Arc::new(factors::factor_sets::MongodbFactorSets(database.clone())),
        send_quotas: Arc::new(factors::send_quotas::MongodbSendQuotas(database.clone())),
        validation_tokens: Arc::new(tokens::validation_tokens::MongodbValidationTokens(database.clone())),
        refresh_families: Arc::new(tokens::refresh_families::MongodbRefreshFamilies::new(database.clone())),
        outboxes: Arc::new(outboxes::MongodbOutboxes::of(&Aggregate::ALL, database.clone())),
        readiness: database.clone(),
        database,
    })
}

impl Stores {
    /// The outboxes of these aggregates only: a service carries out what it wrote itself.
    pub fn outboxes_of(&self, aggregates: &[Aggregate]) -> Arc<dyn Outboxes> {
        Arc::new(outboxes::MongodbOutboxes::of(aggregates, self.database.clone()))
    }

    /// What expires beside these aggregates only: a service removes what it wrote itself.
    pub fn garbage_of(&self, aggregates: &[Aggregate]) -> Arc<dyn ExpiredRecords> {
        Arc::new(expired_records::MongodbExpiredRecords::of(
            aggregates,
            self.database.clone(),
        ))
    }

    /// Makes the indexes of these aggregates, and of what their service stores beside them, where they are missing. A
    /// service is not ready before.
    pub async fn create_indexes(&self, aggregates: &[Aggregate]) -> Result<(), OpenError> {
        indexes::create(&self.database, aggregates).await
    }

    /// Refuses new calls and waits for those in flight; then nothing of this store runs any more.
    pub async fn finish_calls(&self) {
        self.database.drain().await;
    }
}
