//! Removes expired records: docs/protocols.md "Expiry and purge".

use std::sync::Arc;

use async_trait::async_trait;
use domain::time::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use ports::{Aggregate, ExpiredRecords, StoreError};

use crate::bson_codec::{date, integer};
use crate::connection;
use crate::database::Database;
use crate::driver_session::CausalSession;
use crate::error::MongodbError;

pub(crate) struct MongodbExpiredRecords {
    pub(crate) aggregates: Vec<&'static Aggregate>,
    pub(crate) database: Arc<Database>,
}

/// Returns the filter for records that expired at or before `before`; `None` for an aggregate whose records are kept. A
/// record with an outbox is kept until its events are published.
fn expiry_filter(aggregate: &Aggregate, before: Timestamp) -> Option<Document> {
    let purge_at = stored_forms::collection(aggregate.name)?.purge_at?;
    let mut filter = Document::new();
    if aggregate.has_outbox {
        filter.insert("outboxPending", false);
    }
    filter.insert(purge_at, doc! { "$lte": date(before) });
    Some(filter)
}

/// Deletes up to `limit` documents that match the filter, and returns how many. The delete repeats the filter, so that
/// a send window that began anew after the query is kept.
async fn delete(
    session: &mut CausalSession,
    collection: &'static str,
    filter: &Document,
    limit: usize,
) -> Result<usize, MongodbError> {
    if limit == 0 {
        return Ok(0);
    }
    let documents = session.collection::<Document>(collection);
    let found = documents
        .find(filter.clone())
        .projection(doc! { "_id": 1 })
        .limit(integer(limit as u64));
    let found: Vec<Document> = connection::all(found.await).await?;
    let ids: Vec<Bson> = found.into_iter().filter_map(|mut found| found.remove("_id")).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let mut delete_filter = filter.clone();
    delete_filter.insert("_id", doc! { "$in": ids });
    let deleted = documents.delete_many(delete_filter).session(&mut *session.inner).await;
    let deleted = deleted.map_err(|error| MongodbError::write(&error))?;
    Ok(usize::try_from(deleted.deleted_count).unwrap_or(limit))
}

#[async_trait]
impl ExpiredRecords for MongodbExpiredRecords {
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let aggregates = self.aggregates.iter();
        let filters: Vec<_> = aggregates
            .filter_map(|aggregate| Some((aggregate.name, expiry_filter(aggregate, before)?)))
            .collect();
        self.database
            .write(move |mut session| async move {
                let mut removed = 0;
                for (collection, filter) in filters {
                    let rest = limit.saturating_sub(removed);
                    removed += delete(&mut session, collection, &filter, rest).await?;
                }
                Ok(removed)
            })
            .await
    }
}
