use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::lock_status::LockStatus;
use ports::{LockStatuses, StoreError};
use serde::Deserialize;

use crate::credential_lock::credential_locks::COLLECTION;
use crate::database::Database;

pub(crate) struct MongodbLockStatuses(pub(crate) Arc<Database>);

/// The part of a stored credential lock that a lock status needs.
#[derive(Debug, Deserialize)]
struct LockStatusDocument {
    locked: bool,
    epoch: u64,
}

fn lock_status(found: Option<LockStatusDocument>) -> LockStatus {
    found.map_or_else(LockStatus::default, |found| LockStatus {
        is_locked: found.locked,
        epoch: found.epoch,
    })
}

#[async_trait]
impl LockStatuses for MongodbLockStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        let found = self.0.find_linearizable(COLLECTION, user.to_string());
        found.await.map(lock_status)
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        let found = self.0.find_after_write(COLLECTION, user.to_string());
        found.await.map(lock_status)
    }
}
