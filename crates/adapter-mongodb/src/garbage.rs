use std::sync::Arc;

use async_trait::async_trait;
use domain::time::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use ports::{Garbage, StoreFailure};

use crate::database::{Database, Session};
use crate::fault::Fault;
use crate::stored::{self, date, integer};
use crate::tokens::{refresh_families, validation_tokens};

pub(crate) struct MongodbGarbage(pub(crate) Arc<Database>);

/// Deletes up to `limit` documents that match, and still match when it comes to each; how many.
async fn delete(
    session: &mut Session,
    collection: &'static str,
    filter: &Document,
    limit: usize,
) -> Result<usize, Fault> {
    if limit == 0 {
        return Ok(0);
    }
    let documents = session.collection::<Document>(collection);
    let found = documents
        .find(filter.clone())
        .projection(doc! { "_id": 1 })
        .limit(integer(limit as u64));
    let found: Vec<Document> = stored::all(found.await).await?;
    let ids: Vec<Bson> = found.into_iter().filter_map(|mut found| found.remove("_id")).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let mut dead = filter.clone();
    dead.insert("_id", doc! { "$in": ids });
    let deleted = documents.delete_many(dead).session(&mut session.inner).await;
    let deleted = deleted.map_err(|error| Fault::write(&error))?;
    Ok(usize::try_from(deleted.deleted_count).unwrap_or(limit))
}

#[async_trait]
impl Garbage for MongodbGarbage {
    async fn collect(&self, before: Timestamp, limit: usize) -> Result<usize, StoreFailure> {
        let tokens = doc! { "expiresAt": { "$lte": date(before) } };
        let families = doc! { "outboxPending": false, "absoluteExpiresAt": { "$lte": date(before) } };
        self.0
            .write(move |mut session| async move {
                let removed = delete(&mut session, validation_tokens::COLLECTION, &tokens, limit).await?;
                let rest = limit.saturating_sub(removed);
                Ok(removed + delete(&mut session, refresh_families::COLLECTION, &families, rest).await?)
            })
            .await
    }
}
