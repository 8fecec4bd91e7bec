use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::sessions::SignInStatus;
use ports::StoreError;
use ports::sessions::SignInStatuses;
use stored_forms::sessions::SignInStatusForm;

use crate::database::Database;
use crate::row_codec::{self, Reader};

pub(crate) struct SqliteSignInStatuses(pub(crate) Arc<Database>);

#[async_trait]
impl SignInStatuses for SqliteSignInStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        let sql = "SELECT key, document FROM sign_ins WHERE key = ?1";
        let stored = self.0.read(|connection| {
            row_codec::first(connection, sql, [user.as_str()], |row| {
                let row = Reader::new("sign_ins", row);
                let form = row.json::<SignInStatusForm>(1)?;
                form.read().map_err(|error| row.corrupt(error.0))
            })
        })?;
        Ok(stored.unwrap_or_default())
    }

    async fn read_after_write(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        // Every read of the file sees all that is committed.
        self.read_linearizable(user).await
    }
}
