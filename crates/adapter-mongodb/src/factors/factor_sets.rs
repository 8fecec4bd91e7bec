use std::sync::Arc;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::factors::{AlternativeContact, FactorSet};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};
use mongodb::bson::{DateTime, doc, serialize_to_bson};
use ports::factors::FactorSets;
use ports::{MAX_PENDING_EVENTS, SaveOutcome, StoreError};
use serde::{Deserialize, Serialize};

use super::code_documents::{self, AttemptsDocument, ContactCodesDocument};
use crate::bson_codec::{Reader, date, integer};
use crate::causal_session::CausalSession;
use crate::contact_documents::{self, ContactValueDocument};
use crate::database::Database;
use crate::error::MongodbError;
use crate::identities::{self, IdentityDocument};
use crate::outbox::{self, EventDocument};

pub(crate) const COLLECTION: &str = "factor_sets";

pub(crate) struct MongodbFactorSets(pub(crate) Arc<Database>);

/// A stored factor set, without its outbox, which only the relay reads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FactorSetDocument {
    #[serde(rename = "_id")]
    user: String,
    version: u64,
    contacts: Vec<ContactDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chosen_default: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    codes: Vec<ContactCodesDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<AttemptsDocument>,
}

/// A new factor set, with its outbox.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewFactorSetDocument {
    #[serde(flatten)]
    set: FactorSetDocument,
    sequence: u64,
    outbox: Vec<EventDocument>,
    outbox_pending: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContactDocument {
    id: String,
    value: ContactValueDocument,
    marked: bool,
    verified: bool,
    revision: u64,
    added_at: DateTime,
}

impl From<&AlternativeContact> for ContactDocument {
    fn from(contact: &AlternativeContact) -> Self {
        Self {
            id: contact.id.to_string(),
            value: (&contact.value).into(),
            marked: contact.is_marked,
            verified: contact.is_verified,
            revision: contact.revision,
            added_at: date(contact.added_at),
        }
    }
}

impl FactorSetDocument {
    /// Builds the stored form of the next version.
    fn next(set: &FactorSet) -> Self {
        Self {
            user: set.user.to_string(),
            version: set.version + 1,
            contacts: set.contacts.iter().map(ContactDocument::from).collect(),
            chosen_default: set.chosen_default.as_ref().map(ToString::to_string),
            codes: set.codes.iter().map(ContactCodesDocument::from).collect(),
            attempts: AttemptsDocument::from_attempts(&set.attempts),
        }
    }
}

impl TryFrom<FactorSetDocument> for FactorSet {
    type Error = MongodbError;

    fn try_from(stored: FactorSetDocument) -> Result<Self, MongodbError> {
        let id = stored.user.clone();
        let reader = Reader::new("factor set", &id);
        let contact = |stored: ContactDocument| {
            Ok::<_, MongodbError>(AlternativeContact {
                value: contact_documents::contact_value(&reader, &stored.value)?,
                id: reader.parse(stored.id, ContactId::parse)?,
                is_marked: stored.marked,
                is_verified: stored.verified,
                revision: stored.revision,
                added_at: reader.time(stored.added_at)?,
            })
        };
        Ok(Self {
            user: reader.parse(stored.user, UserId::parse)?,
            version: stored.version,
            contacts: stored.contacts.into_iter().map(contact).collect::<Result<_, _>>()?,
            chosen_default: stored
                .chosen_default
                .map(|chosen| reader.parse(chosen, ContactId::parse))
                .transpose()?,
            codes: stored
                .codes
                .into_iter()
                .map(|stored| code_documents::contact_codes(&reader, stored))
                .collect::<Result<_, _>>()?,
            attempts: code_documents::attempts(&reader, stored.attempts)?,
        })
    }
}

/// Saves the set and its events in one write, if the stored version is still the one that was read.
async fn save(mut session: CausalSession, set: FactorSet, events: Vec<NewEvent>) -> Result<SaveOutcome, MongodbError> {
    if events.len() > MAX_PENDING_EVENTS {
        return Ok(SaveOutcome::OutboxFull);
    }
    let has_events = !events.is_empty();
    let outcome = if set.version == 0 {
        insert(&mut session, &set, events).await?
    } else {
        update(&mut session, &set, events).await?
    };
    if has_events && outcome == SaveOutcome::Saved {
        session.database.notify_event();
    }
    Ok(outcome)
}

async fn insert(
    session: &mut CausalSession,
    set: &FactorSet,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, MongodbError> {
    let outbox = outbox::number_events(events, 0);
    let document = NewFactorSetDocument {
        set: FactorSetDocument::next(set),
        sequence: outbox.len() as u64,
        outbox_pending: !outbox.is_empty(),
        outbox,
    };
    let is_inserted = session.insert(COLLECTION, &document).await?;
    Ok(if is_inserted {
        SaveOutcome::Saved
    } else {
        SaveOutcome::Conflict
    })
}

async fn update(
    session: &mut CausalSession,
    set: &FactorSet,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, MongodbError> {
    let user = set.user.as_str();
    let has_events = !events.is_empty();
    let next = FactorSetDocument::next(set);
    let corrupt = |error| MongodbError::corrupt("factor set", user, error);
    let contacts = serialize_to_bson(&next.contacts).map_err(corrupt)?;
    let codes = serialize_to_bson(&next.codes).map_err(corrupt)?;
    let attempts = serialize_to_bson(&next.attempts).map_err(corrupt)?;
    let mut filter = doc! { "_id": user, "version": integer(set.version) };
    let mut changes = doc! {
        "version": integer(next.version),
        "contacts": { "$literal": contacts },
        "chosenDefault": { "$literal": next.chosen_default },
        "codes": { "$literal": codes },
        "attempts": { "$literal": attempts },
    };
    filter.extend(outbox::room_filter(events.len()));
    changes.extend(outbox::push_fields(events)?);
    if session
        .update_one(COLLECTION, filter, vec![doc! { "$set": changes }])
        .await?
    {
        return Ok(SaveOutcome::Saved);
    }
    if !has_events {
        return Ok(SaveOutcome::Conflict);
    }
    // If the version is unchanged, the outbox had no room.
    let filter = doc! { "_id": user, "version": integer(set.version) };
    let found = session.find_one::<FactorSetDocument>(COLLECTION, filter).await?;
    Ok(if found.is_some() {
        SaveOutcome::OutboxFull
    } else {
        SaveOutcome::Conflict
    })
}

#[async_trait]
impl FactorSets for MongodbFactorSets {
    async fn find(&self, user: &UserId) -> Result<FactorSet, StoreError> {
        let found = self.0.find::<FactorSetDocument>(COLLECTION, user.as_str()).await?;
        let found = found.map(FactorSet::try_from).transpose()?;
        Ok(found.unwrap_or_else(|| FactorSet::empty(user.clone())))
    }

    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, FactorSet)>, StoreError> {
        let owner = self
            .0
            .find_or_read_linearizable::<IdentityDocument>(identities::COLLECTION, user.as_str());
        let (owner, set) = tokio::try_join!(owner, self.find(user))?;
        Ok(owner.map(Identity::try_from).transpose()?.map(|owner| (owner, set)))
    }

    async fn save_if_version(&self, set: &FactorSet, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        let set = set.clone();
        self.0.write(move |session| save(session, set, events)).await
    }
}

#[cfg(test)]
mod tests {
    use domain::contact::{ContactValue, Email, Mobile};
    use domain::factors::{Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, Purpose};
    use domain::ids::ClientId;
    use domain::time::Timestamp;
    use mongodb::bson::serialize_to_document;

    use super::*;

    fn codes() -> ContactCodes {
        ContactCodes {
            contact: ContactId::parse("contact-1").unwrap(),
            destination: "ada@example.com".to_owned(),
            attempts: Attempts {
                used: 3,
                ends_at: Timestamp::UNIX_EPOCH,
                is_exhaustion_reported: false,
            },
            challenge: Some(Challenge {
                id: ChallengeId::from_random([1; 16]),
                digest: CodeDigest([7; 32]),
                revision: 2,
                purpose: Purpose::Verify,
                client: ClientId::parse("portal").unwrap(),
                attempts: 3,
                is_exhaustion_reported: false,
                expires_at: Timestamp::UNIX_EPOCH,
            }),
        }
    }

    #[test]
    fn stored_form() {
        let contact = |id: &str, value| AlternativeContact {
            id: ContactId::parse(id).unwrap(),
            value,
            is_marked: true,
            is_verified: false,
            revision: 2,
            added_at: Timestamp::UNIX_EPOCH,
        };
        let set = FactorSet {
            contacts: vec![
                contact(
                    "contact-1",
                    ContactValue::Email(Email::parse("ada@example.com").unwrap()),
                ),
                contact(
                    "contact-2",
                    ContactValue::Mobile(Mobile::parse("351", None, "912345678").unwrap()),
                ),
            ],
            chosen_default: Some(ContactId::parse("contact-2").unwrap()),
            codes: vec![codes()],
            attempts: Attempts {
                used: 50,
                ends_at: Timestamp::UNIX_EPOCH,
                is_exhaustion_reported: true,
            },
            ..FactorSet::empty(UserId::parse("user-1").unwrap())
        };
        let document = NewFactorSetDocument {
            set: FactorSetDocument::next(&set),
            sequence: 0,
            outbox: Vec::new(),
            outbox_pending: false,
        };
        let stored = serialize_to_document(&document).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "user-1", "version": 1, "contacts": [{ "id": "contact-1", "value": { "email": "ada@example.com" }, "marked": true, "verified": false, "revision": 2, "addedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") }, { "id": "contact-2", "value": { "mobile": { "region": "351", "number": "912345678" } }, "marked": true, "verified": false, "revision": 2, "addedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") }], "chosenDefault": "contact-2", "codes": [{ "contact": "contact-1", "destination": "ada@example.com", "attempts": { "used": 3, "endAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "told": false }, "challenge": { "id": "01010101010101010101010101010101", "digest": Binary(0x0, BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=), "revision": 2, "purpose": "verify", "client": "portal", "attempts": 3, "told": false, "expiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") } }], "attempts": { "used": 50, "endAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "told": true }, "sequence": 0, "outbox": [], "outboxPending": false }"#);
        let read: FactorSetDocument = mongodb::bson::deserialize_from_document(stored).unwrap();
        assert_eq!(FactorSet::try_from(read).unwrap(), FactorSet { version: 1, ..set });
    }

    #[test]
    fn older_stored_sets_are_read_without_codes() {
        let stored = doc! { "_id": "user-1", "version": 3_i64, "contacts": [] };
        let read: FactorSetDocument = mongodb::bson::deserialize_from_document(stored).unwrap();
        let expected = FactorSet {
            version: 3,
            ..FactorSet::empty(UserId::parse("user-1").unwrap())
        };
        assert_eq!(FactorSet::try_from(read).unwrap(), expected);
    }
}
