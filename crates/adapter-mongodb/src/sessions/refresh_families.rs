use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::sessions::{Nonce, PresentedToken, RefreshFamily, RevocationReason};
use domain::time::Timestamp;
use mongodb::bson::{Document, doc};
use ports::StoreError;
use ports::sessions::{ActiveFamilies, CloseOutcome, RefreshFamilies, RotationOutcome};

use super::active_families;
use super::refresh_family_document::{
    ACTIVE, CLOSED, COLLECTION, NewRefreshFamilyDocument, REVOKED, RefreshFamilyDocument, active_filter,
};
use super::rotations::{RotationRequest, Rotations, execute_batch};
use crate::bson_codec::{binary, date, integer};
use crate::connection::{self, CALL_TIMEOUT};
use crate::database::Database;
use crate::driver_session::CausalSession;
use crate::error::MongodbError;
use crate::outbox;

pub(crate) struct MongodbRefreshFamilies {
    database: Arc<Database>,
    rotations: Arc<Rotations>,
}

impl MongodbRefreshFamilies {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self {
            rotations: database.batching.write_queue(execute_batch),
            database,
        }
    }
}

fn family(found: Option<RefreshFamilyDocument>) -> Result<Option<RefreshFamily>, MongodbError> {
    found.map(RefreshFamily::try_from).transpose()
}

/// Returns the family, as of the writes in this session.
async fn find(session: &mut CausalSession, id: &FamilyId) -> Result<Option<RefreshFamily>, MongodbError> {
    let found = session.find_one::<RefreshFamilyDocument>(COLLECTION, doc! { "_id": id.as_str() });
    family(found.await?)
}

/// Closes the family if the presented token is the current one, or the previous one within the grace time
/// (docs/protocols.md "Closing").
///
/// Scenario: A presents T1 with `remember-me=true` and rotates it to T2. B, the same client, presents T1 with
/// `remember-me=false` a second later. T1 is the previous token, so B closes the family, and T2 with it.
async fn close(
    mut session: CausalSession,
    presented: PresentedToken,
    now: Timestamp,
    grace: Duration,
) -> Result<CloseOutcome, MongodbError> {
    let token = &presented.token;
    let nonce = binary(&token.nonce.0);
    let mut closing_tokens = vec![doc! { "generation": integer(token.generation), "nonce": nonce.clone() }];
    if !grace.is_zero() {
        let grace_start = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        closing_tokens.push(doc! {
            "generation": integer(token.generation.saturating_add(1)),
            "previousNonce": nonce,
            "rotatedAt": { "$gt": date(grace_start) },
        });
    }
    let mut filter = active_filter(&presented, now);
    filter.insert("$or", closing_tokens);
    let close = doc! { "$set": {
        "status": CLOSED,
        "closedGeneration": integer(token.generation),
        "closedAt": date(now),
    } };
    if session.update_one(COLLECTION, filter, close).await? {
        return Ok(CloseOutcome::Closed);
    }
    let found = find(&mut session, &token.family).await?;
    Ok(found.map_or(CloseOutcome::Unknown, CloseOutcome::NotMatched))
}

/// Revokes the family and pushes the event. Returns whether this call revoked it. The outbox needs no check for room,
/// because a family has only two events: its start and its revocation.
async fn revoke(
    mut session: CausalSession,
    id: FamilyId,
    reason: RevocationReason,
    event: NewEvent,
) -> Result<bool, MongodbError> {
    let mut revocable = vec![doc! { "status": ACTIVE }];
    if reason.ends_closed_families() {
        revocable.push(doc! { "status": CLOSED });
    }
    let filter = doc! { "_id": id.as_str(), "$or": revocable };
    let mut changes = doc! { "status": REVOKED, "revokedReason": reason.as_str() };
    changes.extend(outbox::push_fields(vec![event])?);
    let is_revoked = session
        .update_one(COLLECTION, filter, vec![doc! { "$set": changes }])
        .await?;
    if is_revoked {
        session.notify_event();
    }
    Ok(is_revoked)
}

/// Deletes families whose events are published, and returns whether any is left. The delete repeats the filter, so that
/// a family that was revoked after the query keeps its event.
async fn erase_user(mut session: CausalSession, user: String, limit: usize) -> Result<bool, MongodbError> {
    let families = session.collection::<Document>(COLLECTION);
    let published = doc! { "user": &user, "outboxPending": false };
    let found = families
        .find(published.clone())
        .projection(doc! { "_id": 1 })
        .limit(integer(limit as u64))
        .max_time(CALL_TIMEOUT);
    let found: Vec<Document> = connection::all(found.await).await?;
    let ids: Vec<_> = found.into_iter().filter_map(|mut found| found.remove("_id")).collect();
    if !ids.is_empty() {
        let mut filter = published;
        filter.insert("_id", doc! { "$in": ids });
        let deleted = families.delete_many(filter).session(&mut *session.inner).await;
        deleted.map_err(|error| MongodbError::write(&error))?;
    }
    let left = session.find_one::<Document>(COLLECTION, doc! { "user": user }).await?;
    Ok(left.is_some())
}

#[async_trait]
impl RefreshFamilies for MongodbRefreshFamilies {
    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        let found = self
            .database
            .find::<RefreshFamilyDocument>(COLLECTION, id.as_str())
            .await?;
        Ok(family(found)?)
    }

    async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        let found = self
            .database
            .find_linearizable::<RefreshFamilyDocument>(COLLECTION, id.to_string());
        Ok(family(found.await?)?)
    }

    async fn read_after_write(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        let found = self
            .database
            .find_after_write::<RefreshFamilyDocument>(COLLECTION, id.to_string());
        Ok(family(found.await?)?)
    }

    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<bool, StoreError> {
        let document = NewRefreshFamilyDocument {
            family: family.into(),
            sequence: 1,
            outbox: outbox::number_events(vec![event], 0),
            outbox_pending: true,
        };
        self.database
            .write(|mut session| async move {
                let is_new = session.insert_once(COLLECTION, &document).await?;
                session.notify_event();
                Ok(is_new)
            })
            .await
    }

    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "rotate", collection = COLLECTION))]
    async fn rotate(
        &self,
        presented: &PresentedToken,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<RotationOutcome, StoreError> {
        // Dropped together with this future, so that the batch can detect that the caller has left.
        let caller = Arc::new(());
        let request = RotationRequest {
            caller: Arc::downgrade(&caller),
            presented: presented.clone(),
            nonce,
            now,
            idle_lifetime,
        };
        Ok(self.rotations.submit(request).await??)
    }

    async fn close(
        &self,
        presented: &PresentedToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<CloseOutcome, StoreError> {
        let presented = presented.clone();
        self.database
            .write(move |session| close(session, presented, now, grace))
            .await
    }

    async fn list_active(
        &self,
        families: &ActiveFamilies,
        after: Option<&FamilyId>,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        active_families::list(&self.database, families, after, limit).await
    }

    async fn find_least_recent(
        &self,
        families: &ActiveFamilies,
        client: &ClientId,
        kept: usize,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        active_families::least_recent(&self.database, families, client, (kept, limit)).await
    }

    async fn stamp(&self, id: &FamilyId, sessions_version: u64) -> Result<(), StoreError> {
        let version = integer(sessions_version);
        let filter = doc! { "_id": id.as_str(), "status": ACTIVE };
        let stamp = doc! { "$max": { "sessionsVersion": version } };
        self.database.update_one(COLLECTION, filter, stamp).await.map(drop)
    }

    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError> {
        let id = id.clone();
        self.database
            .write(move |session| revoke(session, id, reason, event))
            .await
    }

    async fn erase_user(&self, user: &UserId, limit: usize) -> Result<bool, StoreError> {
        let user = user.to_string();
        self.database
            .write(move |session| erase_user(session, user, limit))
            .await
    }
}
