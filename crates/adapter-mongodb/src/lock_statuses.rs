use std::sync::Arc;

use async_trait::async_trait;
use domain::credential_lock::CredentialLock;
use domain::ids::UserId;
use domain::lock_status::LockStatus;
use ports::{LockStatuses, StoreError, Versioned as _};
use stored_forms::credential_lock::LockStatusForm;

use crate::database::Database;

pub(crate) struct MongodbLockStatuses(pub(crate) Arc<Database>);

#[async_trait]
impl LockStatuses for MongodbLockStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        let found = self
            .0
            .find_linearizable(CredentialLock::AGGREGATE.name, user.to_string());
        let found: Option<LockStatusForm> = found.await?;
        Ok(found.map(LockStatus::from).unwrap_or_default())
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        let found = self
            .0
            .find_after_write(CredentialLock::AGGREGATE.name, user.to_string());
        let found: Option<LockStatusForm> = found.await?;
        Ok(found.map(LockStatus::from).unwrap_or_default())
    }
}
