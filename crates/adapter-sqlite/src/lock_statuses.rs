use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::lock_status::LockStatus;
use ports::{LockStatuses, StoreError};

use crate::database::Database;
use crate::row_codec::{self, Reader};

pub(crate) struct SqliteLockStatuses(pub(crate) Arc<Database>);

#[async_trait]
impl LockStatuses for SqliteLockStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        let sql = "SELECT user_id, locked, epoch FROM credentials WHERE user_id = ?1";
        let lock_status = self.0.read(|connection| {
            row_codec::first(connection, sql, [user.as_str()], |row| {
                let row = Reader::new("credential", row);
                Ok(LockStatus {
                    is_locked: row.column(1)?,
                    epoch: row.count(2)?,
                })
            })
        })?;
        Ok(lock_status.unwrap_or_default())
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        // Every read of the file sees all that is committed.
        self.read_linearizable(user).await
    }
}
