//! Removes expired records: docs/protocols.md "Expiry and purge".

use std::sync::Arc;

use async_trait::async_trait;
use domain::time::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use ports::{Aggregate, ExpiredRecords, StoreError};

use crate::bson_codec::{self, date, integer};
use crate::causal_session::CausalSession;
use crate::database::Database;
use crate::error::MongodbError;
use crate::factors::send_quotas;
use crate::sessions::refresh_families;
use crate::tokens::validation_tokens;

pub(crate) struct MongodbExpiredRecords {
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) database: Arc<Database>,
}

/// Returns the purged collections of the service that writes an aggregate, each with the filter for records that
/// expired at or before `before`. A family is kept until the events in its outbox are published.
fn expiry_filters(aggregate: Aggregate, before: Timestamp) -> Vec<(&'static str, Document)> {
    let at_or_before = doc! { "$lte": date(before) };
    match aggregate {
        Aggregate::Credential => Vec::new(),
        Aggregate::FactorSet => vec![(send_quotas::COLLECTION, doc! { "windowEndsAt": at_or_before })],
        Aggregate::RefreshFamily => vec![
            (
                validation_tokens::COLLECTION,
                doc! { "expiresAt": at_or_before.clone() },
            ),
            (
                refresh_families::COLLECTION,
                doc! { "outboxPending": false, "absoluteExpiresAt": at_or_before },
            ),
        ],
    }
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
    let found: Vec<Document> = bson_codec::all(found.await).await?;
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
            .flat_map(|aggregate| expiry_filters(*aggregate, before))
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
