//! The searches for the sessions of a user that can be renewed. The partial index on the user serves both.

use domain::ids::{ClientId, FamilyId};
use domain::sessions::RefreshFamily;
use mongodb::bson::{Bson, Document, doc};
use ports::StoreError;
use ports::sessions::ActiveFamilies;

use super::refresh_family_document::{ACTIVE, COLLECTION, RefreshFamilyDocument};
use crate::bson_codec::{date, integer};
use crate::connection::{self, CALL_TIMEOUT};
use crate::database::Database;
use crate::error::MongodbError;

/// Builds the condition of [`ActiveFamilies`]. A family without a sessions version has version 0.
fn filter(families: &ActiveFamilies) -> Document {
    let version = families.sign_in.sessions_version;
    let mut versions: Vec<Bson> = vec![integer(version).into()];
    if version == 0 {
        versions.push(Bson::Null);
    }
    let mut passes = vec![doc! { "sessionsVersion": { "$in": versions } }];
    if let Some(kept) = &families.sign_in.kept_session {
        passes.push(doc! { "_id": kept.as_str() });
    }
    doc! {
        "user": families.user.as_str(),
        "status": ACTIVE,
        "absoluteExpiresAt": { "$gt": date(families.at) },
        "idleExpiresAt": { "$gt": date(families.at) },
        "epoch": integer(families.epoch),
        "$or": passes,
    }
}

/// Returns a page of the families, in the order of their ids.
pub(super) async fn list(
    database: &Database,
    families: &ActiveFamilies,
    after: Option<&FamilyId>,
    limit: usize,
) -> Result<Vec<RefreshFamily>, StoreError> {
    let mut filter = filter(families);
    if let Some(after) = after {
        // Beside the `_id` of the kept session, which the condition above may contain.
        filter.insert("_id", doc! { "$gt": after.as_str() });
    }
    find(database, filter, doc! { "_id": 1 }, (0, limit)).await
}

/// Returns at most `limit` families of the client besides the `kept` most recently rotated ones.
pub(super) async fn least_recent(
    database: &Database,
    families: &ActiveFamilies,
    client: &ClientId,
    (kept, limit): (usize, usize),
) -> Result<Vec<RefreshFamily>, StoreError> {
    let mut filter = filter(families);
    filter.insert("client", client.as_str());
    find(database, filter, doc! { "rotatedAt": -1 }, (kept, limit)).await
}

#[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = COLLECTION))]
async fn find(
    database: &Database,
    filter: Document,
    order: Document,
    (skipped, limit): (usize, usize),
) -> Result<Vec<RefreshFamily>, StoreError> {
    let found = database.read(|connection| async move {
        let documents = connection.collection::<RefreshFamilyDocument>(COLLECTION);
        let found = documents
            .find(filter)
            .projection(doc! { "outbox": 0 })
            .sort(order)
            .skip(skipped as u64)
            .limit(integer(limit as u64))
            .max_time(CALL_TIMEOUT);
        connection::all(found.await).await
    });
    let families = found.await?.into_iter().map(RefreshFamily::try_from);
    Ok(families.collect::<Result<_, MongodbError>>()?)
}
