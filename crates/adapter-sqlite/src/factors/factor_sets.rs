use async_trait::async_trait;
use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;
use ports::StoreError;
use ports::factors::FactorSets;
use rusqlite::types::ValueRef;
use stored_forms::Json;
use stored_forms::factors::FactorSetForm;

use crate::identities;
use crate::row_codec;
use crate::versioned_store::{SqliteVersioned, aggregate};

#[async_trait]
impl FactorSets for SqliteVersioned<FactorSetForm<Json>> {
    /// One statement, because each statement outside a transaction locks the file twice.
    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError> {
        let sql = "SELECT i.key, i.document, f.document
                   FROM identities i LEFT JOIN factor_sets f ON f.key = i.key WHERE i.key = ?1 AND i.removal IS NULL";
        self.database().read(|connection| {
            row_codec::first(connection, sql, [user.as_str()], |row| {
                let has_set = !matches!(row.get_ref(2)?, ValueRef::Null);
                let set = has_set.then(|| aggregate::<FactorSetForm<Json>>(row, 2)).transpose()?;
                Ok((identities::identity(row)?, set))
            })
        })
    }

    /// One statement reads both at one time.
    async fn find_for_edit(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError> {
        self.find_with_owner(user).await
    }
}
