//! The stored form of a refresh token family.

use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::sessions::{Closure, FamilyStatus, Nonce, Origin, PresentedToken, RefreshFamily, RevocationReason};
use domain::time::Timestamp;
use mongodb::bson::{Binary, DateTime, Document, doc};
use serde::{Deserialize, Serialize};

use crate::bson_codec::{Reader, binary, date};
use crate::error::MongodbError;
use crate::outbox::PendingEvent;
use stored_forms::is_zero;

pub(super) const COLLECTION: &str = ports::sessions::REFRESH_FAMILIES.name;

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
    #[serde(default, skip_serializing_if = "is_zero")]
    sessions_version: u64,
    generation: u64,
    nonce: Binary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_nonce: Option<Binary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime>,
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
pub(super) struct NewRefreshFamilyDocument {
    #[serde(flatten)]
    pub(super) family: RefreshFamilyDocument,
    pub(super) sequence: u64,
    pub(super) outbox: Vec<PendingEvent>,
    pub(super) outbox_pending: bool,
}

pub(super) const ACTIVE: &str = "active";
pub(super) const CLOSED: &str = "closed";
pub(super) const REVOKED: &str = "revoked";

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
            sessions_version: origin.sessions_version,
            generation: family.generation,
            nonce: binary(&family.nonce.0),
            previous_nonce: family.previous_nonce.map(|nonce| binary(&nonce.0)),
            started_at: family.started_at.map(date),
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
                sessions_version: stored.sessions_version,
                administrative_groups: stored.administrative_groups,
            },
            generation: stored.generation,
            nonce: Nonce(reader.bytes(stored.nonce)?),
            previous_nonce: stored
                .previous_nonce
                .map(|nonce| reader.bytes(nonce).map(Nonce))
                .transpose()?,
            started_at: stored.started_at.map(|at| reader.time(at)).transpose()?,
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
                sessions_version: 3,
                administrative_groups: vec!["staff".to_owned()],
            },
            generation: 2,
            nonce: Nonce([1; 16]),
            previous_nonce: Some(Nonce([2; 16])),
            started_at: Some(Timestamp::UNIX_EPOCH),
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
        insta::assert_snapshot!(stored(&family), @r#"{ "_id": "family-1", "user": "user-1", "client": "portal", "business": "business-1", "groups": ["staff"], "ancestors": ["family-0"], "epoch": 1, "sessionsVersion": 3, "generation": 2, "nonce": Binary(0x0, AQEBAQEBAQEBAQEBAQEBAQ==), "previousNonce": Binary(0x0, AgICAgICAgICAgICAgICAg==), "startedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "rotatedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "absoluteExpiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "idleExpiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "status": "active", "administrativeGroups": ["staff"], "sequence": 0, "outbox": [], "outboxPending": false }"#);
        let mut older = stored(&family);
        for member in ["administrativeGroups", "sessionsVersion", "startedAt"] {
            assert!(older.remove(member).is_some());
        }
        let read: RefreshFamilyDocument = mongodb::bson::deserialize_from_document(older).unwrap();
        assert!(read.administrative_groups.is_empty() && read.sessions_version == 0 && read.started_at.is_none());
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
