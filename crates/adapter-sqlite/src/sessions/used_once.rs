use std::sync::Arc;

use async_trait::async_trait;
use domain::sessions::UsedOnceKey;
use domain::time::Timestamp;
use ports::StoreError;
use ports::sessions::UsedOnce;

use crate::database::Database;
use crate::row_codec;

pub(crate) struct SqliteUsedOnce(pub(crate) Arc<Database>);

#[async_trait]
impl UsedOnce for SqliteUsedOnce {
    async fn mark_used(&self, key: &UsedOnceKey, purge_at: Timestamp) -> Result<bool, StoreError> {
        let parameters = (key.to_string(), purge_at.as_millisecond());
        let sql = "INSERT INTO used_once (key, purge_at) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING";
        self.0
            .write(move |connection| Ok(row_codec::execute(connection, sql, parameters)? > 0))
            .await
    }
}
