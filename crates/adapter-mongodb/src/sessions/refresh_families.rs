use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::sessions::{Closure, FamilyStatus, Nonce, Origin, PresentedToken, RefreshFamily, RevocationReason};
use domain::time::Timestamp;
use mongodb::bson::{Binary, DateTime, Document, doc};
use ports::StoreError;
use ports::sessions::{CloseOutcome, RefreshFamilies, RotationOutcome};
use serde::{Deserialize, Serialize};

use super::rotations::{RotationRequest, Rotations, execute_batch};
use crate::bson_codec::{Reader, binary, date, integer};
use crate::causal_session::CausalSession;
use crate::database::Database;
use crate::error::MongodbError;
use crate::outbox::{self, PendingEvent};

pub(crate) const COLLECTION: &str = ports::sessions::REFRESH_FAMILIES.name;

pub(crate) struct MongodbRefreshFamilies {
    database: Arc<Database>,
    rotations: Arc<Rotations>,
}

impl MongodbRefreshFamilies {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            rotations: Arc::new(Rotations::writes()),
        }
    }
}

/// A stored family, without its outbox, which only the relay reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshFamilyDocument {
    #[serde(rename = "_id")]
    id: String,
    user: String,
    client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    business: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<String>,
    /// The first ancestor, or the family itself. Older versions stored it instead of `ancestors`.
    #[serde(default, skip_serializing)]
    root: Option<String>,
    epoch: u64,
    generation: u64,
    nonce: Binary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_nonce: Option<Binary>,
    rotated_at: DateTime,
    absolute_expires_at: DateTime,
    idle_expires_at: DateTime,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_generation: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    administrative_groups: Vec<String>,
}

/// A new family, with its outbox.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewRefreshFamilyDocument {
    #[serde(flatten)]
    family: RefreshFamilyDocument,
    sequence: u64,
    outbox: Vec<PendingEvent>,
    outbox_pending: bool,
}

const ACTIVE: &str = "active";
const CLOSED: &str = "closed";
const REVOKED: &str = "revoked";

impl From<&RefreshFamily> for RefreshFamilyDocument {
    fn from(family: &RefreshFamily) -> Self {
        let origin = &family.origin;
        let (status, closure, reason) = match family.status {
            FamilyStatus::Active => (ACTIVE, None, None),
            FamilyStatus::Closed(closure) => (CLOSED, Some(closure), None),
            FamilyStatus::Revoked(reason) => (REVOKED, None, Some(reason)),
        };
        Self {
            id: family.id.to_string(),
            user: origin.user.to_string(),
            client: origin.client.to_string(),
            business: origin.business.as_ref().map(ToString::to_string),
            groups: origin.groups.clone(),
            ancestors: origin.ancestors.iter().map(ToString::to_string).collect(),
            root: None,
            epoch: origin.epoch,
            generation: family.generation,
            nonce: binary(&family.nonce.0),
            previous_nonce: family.previous_nonce.map(|nonce| binary(&nonce.0)),
            rotated_at: date(family.rotated_at),
            absolute_expires_at: date(family.absolute_expires_at),
            idle_expires_at: date(family.idle_expires_at),
            status: status.to_owned(),
            closed_generation: closure.map(|closure| closure.generation),
            closed_at: closure.map(|closure| date(closure.at)),
            revoked_reason: reason.map(|reason| reason.as_str().to_owned()),
            administrative_groups: origin.administrative_groups.clone(),
        }
    }
}

impl TryFrom<RefreshFamilyDocument> for RefreshFamily {
    type Error = MongodbError;

    fn try_from(stored: RefreshFamilyDocument) -> Result<Self, MongodbError> {
        let id = stored.id.clone();
        let reader = Reader::new("refresh family", &id);
        let status = status(&reader, &stored)?;
        let first = stored.root.filter(|root| *root != stored.id);
        let ancestors: Vec<String> = first.into_iter().chain(stored.ancestors).collect();
        Ok(Self {
            id: reader.parse(stored.id, FamilyId::parse)?,
            origin: Origin {
                user: reader.parse(stored.user, UserId::parse)?,
                client: reader.parse(stored.client, ClientId::parse)?,
                business: stored
                    .business
                    .map(|business| reader.parse(business, BusinessId::parse))
                    .transpose()?,
                groups: stored.groups,
                ancestors: ancestors
                    .into_iter()
                    .map(|id| reader.parse(id, FamilyId::parse))
                    .collect::<Result<_, _>>()?,
                epoch: stored.epoch,
                administrative_groups: stored.administrative_groups,
            },
            generation: stored.generation,
            nonce: Nonce(reader.bytes(stored.nonce)?),
            previous_nonce: stored
                .previous_nonce
                .map(|nonce| reader.bytes(nonce).map(Nonce))
                .transpose()?,
            rotated_at: reader.time(stored.rotated_at)?,
            absolute_expires_at: reader.time(stored.absolute_expires_at)?,
            idle_expires_at: reader.time(stored.idle_expires_at)?,
            status,
        })
    }
}

fn status(reader: &Reader<'_>, stored: &RefreshFamilyDocument) -> Result<FamilyStatus, MongodbError> {
    match stored.status.as_str() {
        ACTIVE => Ok(FamilyStatus::Active),
        CLOSED => {
            let missing = || reader.corrupt("closure");
            Ok(FamilyStatus::Closed(Closure {
                generation: stored.closed_generation.ok_or_else(missing)?,
                at: reader.time(stored.closed_at.ok_or_else(missing)?)?,
            }))
        }
        REVOKED => {
            let reason = stored.revoked_reason.as_deref().and_then(RevocationReason::parse);
            Ok(FamilyStatus::Revoked(
                reason.ok_or_else(|| reader.corrupt("revoked reason"))?,
            ))
        }
        _ => Err(reader.corrupt("status")),
    }
}

/// Builds the condition that rotation and closing share: the family belongs to the presenting client and user, and is
/// active and unexpired at `now`.
pub(super) fn active_filter(presented: &PresentedToken, now: Timestamp) -> Document {
    doc! {
        "_id": presented.token.family.as_str(),
        "status": ACTIVE,
        "client": presented.client.as_str(),
        "user": presented.user.as_str(),
        "absoluteExpiresAt": { "$gt": date(now) },
        "idleExpiresAt": { "$gt": date(now) },
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
        session.database.notify_event();
    }
    Ok(is_revoked)
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
                session.database.notify_event();
                Ok(is_new)
            })
            .await
    }

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
        self.database
            .submit_write(&self.rotations, request, execute_batch)
            .await?
            .map_err(StoreError::from)
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

    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError> {
        let id = id.clone();
        self.database
            .write(move |session| revoke(session, id, reason, event))
            .await
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let mut family = RefreshFamily {
            id: FamilyId::parse("family-1").unwrap(),
            origin: Origin {
                user: UserId::parse("user-1").unwrap(),
                client: ClientId::parse("portal").unwrap(),
                business: Some(BusinessId::parse("business-1").unwrap()),
                groups: vec!["staff".to_owned()],
                ancestors: vec![FamilyId::parse("family-0").unwrap()],
                epoch: 1,
                administrative_groups: vec!["staff".to_owned()],
            },
            generation: 2,
            nonce: Nonce([1; 16]),
            previous_nonce: Some(Nonce([2; 16])),
            rotated_at: Timestamp::UNIX_EPOCH,
            absolute_expires_at: Timestamp::UNIX_EPOCH,
            idle_expires_at: Timestamp::UNIX_EPOCH,
            status: FamilyStatus::Active,
        };
        let stored = |family: &RefreshFamily| {
            serialize_to_document(&NewRefreshFamilyDocument {
                family: family.into(),
                sequence: 0,
                outbox: Vec::new(),
                outbox_pending: false,
            })
            .unwrap()
        };
        insta::assert_snapshot!(stored(&family), @r#"{ "_id": "family-1", "user": "user-1", "client": "portal", "business": "business-1", "groups": ["staff"], "ancestors": ["family-0"], "epoch": 1, "generation": 2, "nonce": Binary(0x0, AQEBAQEBAQEBAQEBAQEBAQ==), "previousNonce": Binary(0x0, AgICAgICAgICAgICAgICAg==), "rotatedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "absoluteExpiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "idleExpiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "status": "active", "administrativeGroups": ["staff"], "sequence": 0, "outbox": [], "outboxPending": false }"#);
        let mut older = stored(&family);
        assert!(older.remove("administrativeGroups").is_some());
        let read: RefreshFamilyDocument = mongodb::bson::deserialize_from_document(older).unwrap();
        assert!(read.administrative_groups.is_empty());
        let closure = Closure {
            generation: 2,
            at: Timestamp::UNIX_EPOCH,
        };
        for status in [
            FamilyStatus::Active,
            FamilyStatus::Closed(closure),
            FamilyStatus::Revoked(RevocationReason::Replay),
        ] {
            family.status = status;
            let read: RefreshFamilyDocument = mongodb::bson::deserialize_from_document(stored(&family)).unwrap();
            assert_eq!(RefreshFamily::try_from(read).unwrap(), family);
        }
    }
}
