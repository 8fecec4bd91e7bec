use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::standing::Standing;
use ports::{CredentialStandings, StoreFailure};

use crate::database::Database;
use crate::rows::{self, Reader};

pub(crate) struct SqliteCredentialStandings(pub(crate) Arc<Database>);

#[async_trait]
impl CredentialStandings for SqliteCredentialStandings {
    async fn look(&self, user: &UserId) -> Result<Standing, StoreFailure> {
        let sql = "SELECT user_id, locked, epoch FROM credentials WHERE user_id = ?1";
        let standing = self.0.read(|connection| {
            rows::first(connection, sql, [user.as_str()], |row| {
                let row = Reader::new("credential", row);
                Ok(Standing {
                    locked: row.column(1)?,
                    epoch: row.count(2)?,
                })
            })
        })?;
        Ok(standing.unwrap_or_default())
    }

    async fn look_after_write(&self, user: &UserId) -> Result<Standing, StoreFailure> {
        // Every read of the one file sees what is committed.
        self.look(user).await
    }
}
