use std::sync::Arc;

use async_trait::async_trait;
use domain::actor::Actor;
use domain::credential_lock::{CredentialLock, LockReason};
use domain::event::NewEvent;
use domain::ids::{MalformedId, UserId};
use mongodb::bson::{DateTime, Document, doc, serialize_to_bson};
use ports::credential_lock::CredentialLocks;
use ports::{MAX_PENDING_EVENTS, SaveOutcome, StoreError};
use serde::{Deserialize, Serialize};

use crate::actor_document::ActorDocument;
use crate::bson_codec::{Reader, date, integer};
use crate::causal_session::CausalSession;
use crate::database::Database;
use crate::error::MongodbError;
use crate::outbox::{self, EventDocument};

pub(crate) const COLLECTION: &str = "credentials";

pub(crate) struct MongodbCredentialLocks(pub(crate) Arc<Database>);

/// A stored credential lock, without its outbox, which only the relay reads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialLockDocument {
    #[serde(rename = "_id")]
    user: String,
    locked: bool,
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<ByDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    version: u64,
}

/// A new credential lock, with its outbox.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewCredentialLockDocument {
    #[serde(flatten)]
    credential: CredentialLockDocument,
    sequence: u64,
    outbox: Vec<EventDocument>,
    outbox_pending: bool,
}

impl NewCredentialLockDocument {
    fn new(credential: &CredentialLock, events: Vec<NewEvent>) -> Self {
        let outbox = outbox::number_events(events, 0);
        Self {
            credential: CredentialLockDocument::next(credential),
            sequence: outbox.len() as u64,
            outbox_pending: !outbox.is_empty(),
            outbox,
        }
    }
}

/// The actor of the latest change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum ByDocument {
    Actor(ActorDocument),
    /// The form that older versions stored: the id of a user or of a client, without saying which.
    Id(String),
}

impl ByDocument {
    fn into_actor(self) -> Result<Option<Actor>, MalformedId> {
        match self {
            Self::Actor(actor) => actor.try_into().map(Some),
            Self::Id(_) => Ok(None),
        }
    }
}

fn by_document(credential: &CredentialLock) -> Option<ByDocument> {
    credential.by.as_ref().map(|actor| ByDocument::Actor(actor.into()))
}

impl CredentialLockDocument {
    /// Builds the stored form of the next version.
    fn next(credential: &CredentialLock) -> Self {
        Self {
            user: credential.user.to_string(),
            locked: credential.is_locked,
            epoch: credential.epoch,
            since: credential.since.map(date),
            by: by_document(credential),
            reason: credential.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            version: credential.version + 1,
        }
    }
}

impl TryFrom<CredentialLockDocument> for CredentialLock {
    type Error = MongodbError;

    fn try_from(stored: CredentialLockDocument) -> Result<Self, MongodbError> {
        let id = stored.user.clone();
        let reader = Reader::new("credential", &id);
        Ok(Self {
            user: reader.parse(stored.user, UserId::parse)?,
            version: stored.version,
            is_locked: stored.locked,
            epoch: stored.epoch,
            since: stored.since.map(|since| reader.time(since)).transpose()?,
            by: match stored.by {
                Some(by) => by.into_actor().map_err(|error| reader.corrupt(error))?,
                None => None,
            },
            reason: stored
                .reason
                .map(|reason| reader.parse(reason, LockReason::parse))
                .transpose()?,
        })
    }
}

/// Saves the credential lock and its events in one write, if the stored version is still the one that was read.
async fn save(
    mut session: CausalSession,
    credential: CredentialLock,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, MongodbError> {
    if events.len() > MAX_PENDING_EVENTS {
        return Ok(SaveOutcome::OutboxFull);
    }
    let has_events = !events.is_empty();
    let outcome = if credential.version == 0 {
        insert(&mut session, &credential, events).await?
    } else {
        update(&mut session, &credential, events).await?
    };
    if has_events && outcome == SaveOutcome::Saved {
        session.database.notify_event();
    }
    Ok(outcome)
}

async fn insert(
    session: &mut CausalSession,
    credential: &CredentialLock,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, MongodbError> {
    let document = NewCredentialLockDocument::new(credential, events);
    let is_inserted = session.insert(COLLECTION, &document).await?;
    Ok(if is_inserted {
        SaveOutcome::Saved
    } else {
        SaveOutcome::Conflict
    })
}

async fn update(
    session: &mut CausalSession,
    credential: &CredentialLock,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, MongodbError> {
    let user = credential.user.as_str();
    let next = CredentialLockDocument::next(credential);
    let by = serialize_to_bson(&next.by).map_err(|error| MongodbError::corrupt("credential", user, error))?;
    let has_events = !events.is_empty();
    let mut filter = doc! { "_id": user, "version": integer(credential.version) };
    let mut changes = doc! {
        "version": integer(next.version),
        "locked": next.locked,
        "epoch": integer(next.epoch),
        "since": next.since,
        "by": { "$literal": by },
        "reason": { "$literal": next.reason },
    };
    filter.extend(outbox::room_filter(events.len()));
    changes.extend(outbox::push_fields(events)?);
    let changes = vec![doc! { "$set": changes }];
    if session.update_one(COLLECTION, filter, changes).await? {
        return Ok(SaveOutcome::Saved);
    }
    if !has_events {
        return Ok(SaveOutcome::Conflict);
    }
    // If the version is unchanged, the outbox had no room.
    let filter = doc! { "_id": user, "version": integer(credential.version) };
    let found = session.find_one::<Document>(COLLECTION, filter).await?;
    Ok(if found.is_some() {
        SaveOutcome::OutboxFull
    } else {
        SaveOutcome::Conflict
    })
}

#[async_trait]
impl CredentialLocks for MongodbCredentialLocks {
    async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        let found = self
            .0
            .find_linearizable::<CredentialLockDocument>(COLLECTION, user.to_string());
        Ok(found.await?.map(CredentialLock::try_from).transpose()?)
    }

    async fn save_if_version(
        &self,
        credential: &CredentialLock,
        events: Vec<NewEvent>,
    ) -> Result<SaveOutcome, StoreError> {
        let credential = credential.clone();
        self.0.write(move |session| save(session, credential, events)).await
    }
}

#[cfg(test)]
mod tests {
    use domain::credential_lock::{LockCommand, events as lock_events};
    use domain::event::EventContext;
    use domain::ids::{ClientId, EventId};
    use domain::time::Timestamp;
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let command = LockCommand {
            user: UserId::parse("user-1").unwrap(),
            reason: Some(LockReason::parse("lost phone").unwrap()),
            context: EventContext {
                id: EventId("0192f0c1-0000-7000-8000-000000000001".to_owned()),
                time: Timestamp::UNIX_EPOCH,
                by: Actor {
                    client: Some(ClientId::parse("backoffice").unwrap()),
                    ..Actor::default()
                },
                correlation_id: None,
            },
        };
        let locked = CredentialLock::never_locked(command.user.clone())
            .lock(&command)
            .unwrap();
        let events = vec![lock_events::lock_event(&locked, &command)];
        let stored = serialize_to_document(&NewCredentialLockDocument::new(&locked, events)).unwrap();
        let locked = CredentialLock { version: 1, ..locked };
        insta::assert_snapshot!(stored, @r#"{ "_id": "user-1", "locked": true, "epoch": 1, "since": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "client": "backoffice" }, "reason": "lost phone", "version": 1, "sequence": 1, "outbox": [{ "id": "0192f0c1-0000-7000-8000-000000000001", "kind": "credential.locked", "sequence": 1, "time": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "client": "backoffice" }, "data": [{ "name": "userId", "value": "user-1" }, { "name": "epoch", "value": 1 }] }], "outboxPending": true }"#);
        let read: CredentialLockDocument = mongodb::bson::deserialize_from_document(stored.clone()).unwrap();
        assert_eq!(CredentialLock::try_from(read).unwrap(), locked);
        let mut older = stored;
        older.insert("by", "backoffice");
        let read: CredentialLockDocument = mongodb::bson::deserialize_from_document(older).unwrap();
        assert_eq!(
            CredentialLock::try_from(read).unwrap(),
            CredentialLock { by: None, ..locked }
        );
    }
}
