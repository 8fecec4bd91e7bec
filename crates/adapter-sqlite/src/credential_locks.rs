use std::sync::Arc;

use async_trait::async_trait;
use domain::credential_lock::CredentialLock;
use domain::event::NewEvent;
use domain::ids::UserId;
use ports::{SaveOutcome, StoreError, VersionedStore};
use stored_forms::Json;
use stored_forms::credential_lock::CredentialLockForm;

use crate::database::Database;
use crate::versioned_store::SqliteVersioned;

/// The store of credential locks. No lock has an epoch below the base of the store, even if none is stored: the next lock
/// of the user then has a higher epoch than any that was published before a restore.
pub(crate) struct SqliteCredentialLocks(Arc<SqliteVersioned<CredentialLockForm<Json>>>);

impl SqliteCredentialLocks {
    pub(crate) fn new(database: &Arc<Database>) -> Self {
        Self(SqliteVersioned::new(database))
    }
}

#[async_trait]
impl VersionedStore<CredentialLock> for SqliteCredentialLocks {
    async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        let (found, base) = (self.0.find(user).await?, self.0.database().base());
        if found.is_none() && base == 0 {
            return Ok(None);
        }
        let lock = found.unwrap_or_else(|| CredentialLock::never_locked(user.clone()));
        Ok(Some(CredentialLock {
            epoch: lock.epoch.max(base),
            ..lock
        }))
    }

    async fn read_linearizable(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        // Every read of the file sees all that is committed.
        self.find(user).await
    }

    async fn save_if_version(&self, lock: &CredentialLock, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        self.0.save_if_version(lock, events).await
    }
}
