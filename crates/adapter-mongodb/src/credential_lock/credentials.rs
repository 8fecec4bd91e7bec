use std::sync::Arc;

use async_trait::async_trait;
use domain::actor::Actor;
use domain::credential_lock::{Credential, LockCommand, LockReason, events};
use domain::ids::{MalformedId, UserId};
use mongodb::bson::{Bson, DateTime, doc, serialize_to_bson};
use ports::credential_lock::{Credentials, Turn};
use ports::{MAX_PENDING_EVENTS, StoreFailure};
use serde::{Deserialize, Serialize};

use crate::actor_document::ActorDocument;
use crate::database::Database;
use crate::fault::Fault;
use crate::outbox::EventDocument;
use crate::session::Session;
use crate::stored::{Reader, date, integer};

pub(crate) const COLLECTION: &str = "credentials";

/// How often a turn is tried when others turn the same credential at the same time.
const ATTEMPTS: usize = 64;

pub(crate) struct MongodbCredentials(pub(crate) Arc<Database>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialDocument {
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
    /// Raised by every call that answers, one that turns nothing too: no call from before can land after it.
    version: u64,
    sequence: u64,
    outbox: Vec<EventDocument>,
    outbox_pending: bool,
}

/// Who turned the credential last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum ByDocument {
    Actor(ActorDocument),
    /// As it was once stored: an id, of a user or of a client, and nobody can say which.
    Id(String),
}

impl ByDocument {
    fn actor(self) -> Result<Option<Actor>, MalformedId> {
        match self {
            Self::Actor(actor) => actor.try_into().map(Some),
            Self::Id(_) => Ok(None),
        }
    }
}

fn by_document(credential: &Credential) -> Option<ByDocument> {
    credential.by.as_ref().map(|actor| ByDocument::Actor(actor.into()))
}

impl CredentialDocument {
    fn new(credential: &Credential, event: EventDocument) -> Self {
        Self {
            user: credential.user.to_string(),
            locked: credential.locked,
            epoch: credential.epoch,
            since: credential.since.map(date),
            by: by_document(credential),
            reason: credential.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            version: 1,
            sequence: event.sequence,
            outbox: vec![event],
            outbox_pending: true,
        }
    }
}

impl TryFrom<CredentialDocument> for Credential {
    type Error = Fault;

    fn try_from(stored: CredentialDocument) -> Result<Self, Fault> {
        let id = stored.user.clone();
        let reader = Reader::new("credential", &id);
        Ok(Self {
            user: reader.parsed(stored.user, UserId::parse)?,
            locked: stored.locked,
            epoch: stored.epoch,
            since: stored.since.map(|since| reader.time(since)).transpose()?,
            by: match stored.by {
                Some(by) => by.actor().map_err(|error| reader.corrupt(error))?,
                None => None,
            },
            reason: stored
                .reason
                .map(|reason| reader.parsed(reason, LockReason::parse))
                .transpose()?,
        })
    }
}

type TurnRule = fn(&Credential, &LockCommand) -> Option<Credential>;

/// Where a credential stands in its history: what the next write of it is conditional on.
#[derive(Clone, Copy, Default)]
struct Place {
    version: u64,
    sequence: u64,
}

/// Reads, decides and writes under the condition that nobody did meanwhile; from the start when somebody did.
async fn turn(mut session: Session, command: LockCommand, rule: TurnRule) -> Result<Turn, Fault> {
    let user = command.user.as_str();
    let mut found = session
        .find_one::<CredentialDocument>(COLLECTION, doc! { "_id": user })
        .await?;
    for _ in 0..ATTEMPTS {
        let place = found.as_ref().map_or_else(Place::default, |stored| Place {
            version: stored.version,
            sequence: stored.sequence,
        });
        let waiting = found.as_ref().map_or(0, |stored| stored.outbox.len());
        let before = match found {
            Some(stored) => Credential::try_from(stored)?,
            None => Credential::unlocked(command.user.clone()),
        };
        match rule(&before, &command) {
            None if confirm(&mut session, user, place).await? => return Ok(Turn::Already),
            Some(_) if waiting >= MAX_PENDING_EVENTS => return Ok(Turn::OutboxFull),
            Some(after) if write(&mut session, &after, &command, place).await? => {
                session.database.event_pushed();
                return Ok(Turn::Turned(after));
            }
            None | Some(_) => {}
        }
        found = session.find_linearizable(COLLECTION, doc! { "_id": user }).await?;
    }
    Err(Fault::Contended)
}

/// Whether the credential still is as it was found. What was so already is written down all the same: a turn whose caller
/// has given up, and which reaches the store only now, must not undo what was answered.
async fn confirm(session: &mut Session, user: &str, place: Place) -> Result<bool, Fault> {
    if place.version == 0 {
        let found = session.find_linearizable::<CredentialDocument>(COLLECTION, doc! { "_id": user });
        return Ok(found.await?.is_none());
    }
    let as_found = doc! { "_id": user, "version": integer(place.version) };
    let raise = doc! { "$inc": { "version": 1_i64 } };
    session.update_one(COLLECTION, as_found, raise).await
}

/// The one write of a turn; whether the credential still was as it was found.
async fn write(session: &mut Session, after: &Credential, command: &LockCommand, place: Place) -> Result<bool, Fault> {
    let user = after.user.as_str();
    let event = EventDocument::new(events::turned(after, command), place.sequence + 1);
    if place.version == 0 {
        return session.insert(COLLECTION, &CredentialDocument::new(after, event)).await;
    }
    let event = serialize_to_bson(&event).map_err(|error| Fault::corrupt("credential", user, error))?;
    let by = serialize_to_bson(&by_document(after)).map_err(|error| Fault::corrupt("credential", user, error))?;
    let reason = after
        .reason
        .as_ref()
        .map_or(Bson::Null, |reason| reason.as_str().into());
    let update = doc! {
        "$set": {
            "locked": after.locked,
            "epoch": integer(after.epoch),
            "since": after.since.map(date),
            "by": by,
            "reason": reason,
            "version": integer(place.version + 1),
            "sequence": integer(place.sequence + 1),
            "outboxPending": true,
        },
        "$push": { "outbox": event },
    };
    let as_found = doc! { "_id": user, "version": integer(place.version) };
    session.update_one(COLLECTION, as_found, update).await
}

impl MongodbCredentials {
    async fn turn(&self, command: &LockCommand, rule: TurnRule) -> Result<Turn, StoreFailure> {
        let command = command.clone();
        self.0.write(move |session| turn(session, command, rule)).await
    }
}

#[async_trait]
impl Credentials for MongodbCredentials {
    async fn find(&self, user: &UserId) -> Result<Option<Credential>, StoreFailure> {
        let found = self
            .0
            .find_linearizable::<CredentialDocument>(COLLECTION, user.to_string());
        Ok(found.await?.map(Credential::try_from).transpose()?)
    }

    async fn lock(&self, command: &LockCommand) -> Result<Turn, StoreFailure> {
        self.turn(command, Credential::lock).await
    }

    async fn unlock(&self, command: &LockCommand) -> Result<Turn, StoreFailure> {
        self.turn(command, Credential::unlock).await
    }
}

#[cfg(test)]
mod tests {
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
        let locked = Credential::unlocked(command.user.clone()).lock(&command).unwrap();
        let event = EventDocument::new(events::turned(&locked, &command), 1);
        let stored = serialize_to_document(&CredentialDocument::new(&locked, event)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "user-1", "locked": true, "epoch": 1, "since": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "client": "backoffice" }, "reason": "lost phone", "version": 1, "sequence": 1, "outbox": [{ "id": "0192f0c1-0000-7000-8000-000000000001", "kind": "credential.locked", "sequence": 1, "time": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "client": "backoffice" }, "data": [{ "name": "userId", "value": "user-1" }, { "name": "epoch", "value": 1 }] }], "outboxPending": true }"#);
        let read: CredentialDocument = mongodb::bson::deserialize_from_document(stored.clone()).unwrap();
        assert_eq!(Credential::try_from(read).unwrap(), locked);
        let mut older = stored;
        older.insert("by", "backoffice");
        let read: CredentialDocument = mongodb::bson::deserialize_from_document(older).unwrap();
        assert_eq!(Credential::try_from(read).unwrap(), Credential { by: None, ..locked });
    }
}
