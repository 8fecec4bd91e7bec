use std::sync::Arc;

use async_trait::async_trait;
use domain::time::Timestamp;
use ports::{ExpiredRecords, StoreError};

use crate::database::Database;
use crate::row_codec::{self, integer};

pub(crate) struct SqliteExpiredRecords(pub(crate) Arc<Database>);

#[async_trait]
impl ExpiredRecords for SqliteExpiredRecords {
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let before = before.as_millisecond();
        self.0
            .write(move |connection| {
                let tokens = "DELETE FROM validation_tokens WHERE hash IN (
                                  SELECT hash FROM validation_tokens WHERE expires_at <= ?1 LIMIT ?2)";
                let removed = row_codec::execute(connection, tokens, (before, integer(limit as u64)))?;
                let families = "DELETE FROM refresh_families WHERE family_id IN (
                                    SELECT family_id FROM refresh_families
                                    WHERE outbox_pending = 0 AND absolute_expires_at <= ?1 LIMIT ?2)";
                let rest = limit.saturating_sub(removed) as u64;
                let removed = removed + row_codec::execute(connection, families, (before, integer(rest)))?;
                let windows = "DELETE FROM send_limits WHERE key IN (
                                   SELECT key FROM send_limits WHERE window_ends_at <= ?1 LIMIT ?2)";
                let rest = limit.saturating_sub(removed) as u64;
                Ok(removed + row_codec::execute(connection, windows, (before, integer(rest)))?)
            })
            .await
    }
}
