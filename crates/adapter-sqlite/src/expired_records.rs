use std::sync::Arc;

use async_trait::async_trait;
use domain::time::Timestamp;
use ports::{Aggregate, ExpiredRecords, StoreError};

use crate::database::Database;
use crate::row_codec::{self, integer};
use crate::schema;

pub(crate) struct SqliteExpiredRecords {
    pub(crate) aggregates: Vec<&'static Aggregate>,
    pub(crate) database: Arc<Database>,
}

/// Returns the statement that removes expired records; `None` for an aggregate whose records are kept. A record with
/// an outbox is kept until its events are published.
fn delete_sql(aggregate: &Aggregate) -> Option<String> {
    let (table, purge_at) = (aggregate.name, schema::purge_column(aggregate)?);
    let is_published = if aggregate.has_outbox {
        "AND outbox_pending = 0"
    } else {
        ""
    };
    Some(format!(
        "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE {purge_at} <= ?1 {is_published} LIMIT ?2)"
    ))
}

#[async_trait]
impl ExpiredRecords for SqliteExpiredRecords {
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let before = before.as_millisecond();
        let statements: Vec<_> = self
            .aggregates
            .iter()
            .filter_map(|aggregate| delete_sql(aggregate))
            .collect();
        self.database
            .write(move |connection| {
                let mut removed = 0;
                for sql in statements {
                    let rest = integer(limit.saturating_sub(removed) as u64);
                    removed += row_codec::execute(connection, &sql, (before, rest))?;
                }
                Ok(removed)
            })
            .await
    }
}
