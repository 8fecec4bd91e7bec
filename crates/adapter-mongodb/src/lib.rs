//! The store ports on MongoDB. No other crate imports `mongodb`.
//!
//! The stores call `database` (time limits, repeated calls, and the consistency of each read and write). It uses
//! `driver_session` (causally consistent sessions), which uses `connection` (collections and commands). No import goes
//! the other way. `batching` uses `driver_session`, and can be switched off.
//!
//! - Each driver call is a task on the runtime that opened the store. It continues when its caller stops waiting, and
//!   is aborted after 4 s (`call_runner`). Requests that wait at the same time share a command (`batching`).
//! - A call makes no more than one conditional write of one document. The caller decides on the next step, so no step
//!   follows after the caller has left (`database`).
//! - After a step-down a call is repeated. An unknown outcome stays unknown unless the call recognizes its own write
//!   (`elections`, `driver_session`, `sessions::rotations`).
//! - Every value that must be unique is an `_id` (`reservations`), so every collection can be sharded by a hashed
//!   `_id`.
//!
//! docs/protocols.md "Store rules" and "Store outages" state the guarantees.

mod batching;
mod bson_codec;
mod call_runner;
mod clients;
mod connection;
mod database;
mod driver_session;
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
mod owners;
mod reservations;
mod sessions;
mod tokens;
mod tombstones;
mod upkeep;
mod versioned_store;

use std::sync::Arc;

use ports::Stores;

use bson_codec::Bson;
pub use connection::{MongodbSettings, certificate_key_file};
use database::Database;
pub use error::{DriverError, OpenError};
pub use indexes::indexes_table;
use stored_forms::credential_lock::CredentialLockForm;
use stored_forms::factors::FactorSetForm;
use stored_forms::sessions::SignInForm;
use versioned_store::MongodbVersioned;

/// Connects and fills the connection pool. Every later call runs on the current runtime of this call.
///
/// # Errors
///
/// The URI cannot be read, weakens a read or write concern, or names another machine without TLS; or the server does
/// not answer.
pub async fn open(settings: &MongodbSettings) -> Result<Stores, OpenError> {
    let database = Arc::new(Database::open(settings).await?);
    Ok(Stores {
        clients: Arc::new(clients::MongodbClients(database.clone())),
        identities: Arc::new(identities::MongodbIdentities(database.clone())),
        groups: Arc::new(groups::MongodbGroups(database.clone())),
        known_names: Arc::new(known_names::MongodbKnownNames(database.clone())),
        lock_statuses: Arc::new(lock_statuses::MongodbLockStatuses(database.clone())),
        credential_locks: MongodbVersioned::<CredentialLockForm<Bson>>::new(&database),
        factor_sets: MongodbVersioned::<FactorSetForm<Bson>>::new(&database),
        send_quotas: Arc::new(factors::send_quotas::MongodbSendQuotas(database.clone())),
        validation_tokens: Arc::new(tokens::validation_tokens::MongodbValidationTokens(database.clone())),
        refresh_families: Arc::new(sessions::refresh_families::MongodbRefreshFamilies::new(
            database.clone(),
        )),
        sign_ins: MongodbVersioned::<SignInForm>::new(&database),
        sign_in_statuses: Arc::new(sessions::sign_in_statuses::MongodbSignInStatuses(database.clone())),
        used_once: Arc::new(sessions::used_once::MongodbUsedOnce(database.clone())),
        upkeep: Arc::new(upkeep::MongodbUpkeep::new(database)),
    })
}
