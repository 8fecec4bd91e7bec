use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::lock_status::LockStatus;
use ports::{LockStatuses, StoreError};
use stored_forms::credential_lock::LockStatusForm;

use crate::database::Database;
use crate::row_codec::{self, Reader};

pub(crate) struct SqliteLockStatuses(pub(crate) Arc<Database>);

#[async_trait]
impl LockStatuses for SqliteLockStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        let sql = "SELECT key, document FROM credentials WHERE key = ?1";
        let stored = self.0.read(|connection| {
            row_codec::first(connection, sql, [user.as_str()], |row| {
                Reader::new("credentials", row).json::<LockStatusForm>(1)
            })
        })?;
        let status = stored.map(LockStatus::from).unwrap_or_default();
        Ok(LockStatus {
            epoch: status.epoch.max(self.0.base()),
            ..status
        })
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        // Every read of the file sees all that is committed.
        self.read_linearizable(user).await
    }
}
