use std::sync::Arc;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::identity::Identity;
use domain::ids::UserId;
use domain::removal::{PendingRemoval, RemovalPart};
use mongodb::bson::{Document, doc};
use ports::{IDENTITIES, Identities, IdentitySaveOutcome, LOGINS, RemovalOutcome, StoreError};
use serde::Deserialize;
use stored_forms::{Corrupt, IdentityForm};

use crate::bson_codec::Reader;
use crate::database::Database;
use crate::driver_session::CausalSession;
use crate::error::MongodbError;
use crate::owners::{UniqueNameOwner, find, page};
use crate::reservations::{OwnerSaveOutcome, create, find_by_name, release_removed, replace};
use crate::{outbox, tombstones};

pub(crate) struct MongodbIdentities(pub(crate) Arc<Database>);

impl UniqueNameOwner for Identity {
    const COLLECTION: &'static str = IDENTITIES.name;
    const RESERVATIONS: &'static str = LOGINS.name;
    type Form = IdentityForm;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn names(&self) -> Vec<String> {
        self.logins()
    }

    fn to_form(&self) -> IdentityForm {
        self.into()
    }

    fn from_form(id: &str, form: IdentityForm) -> Result<Option<Self>, Corrupt> {
        match form.removal()? {
            Some(_) => Ok(None),
            None => form.read(id).map(Some),
        }
    }
}

fn identity_outcome(outcome: OwnerSaveOutcome) -> Result<IdentitySaveOutcome, MongodbError> {
    match outcome {
        OwnerSaveOutcome::Saved => Ok(IdentitySaveOutcome::Saved),
        OwnerSaveOutcome::IdTaken => Ok(IdentitySaveOutcome::IdTaken),
        OwnerSaveOutcome::Removed => Ok(IdentitySaveOutcome::Removed),
        OwnerSaveOutcome::NameTaken { by, .. } => {
            let by = Reader::new("login", "").parse(by, UserId::parse)?;
            Ok(IdentitySaveOutcome::LoginTaken { by })
        }
    }
}

/// A tombstone with a pending part.
#[derive(Deserialize)]
struct PendingRemovalDocument {
    #[serde(rename = "_id")]
    id: String,
    removal: Vec<String>,
}

impl PendingRemovalDocument {
    fn read(self) -> Result<PendingRemoval, MongodbError> {
        let reader = Reader::new("removal", &self.id);
        let part = |name: String| RemovalPart::parse(&name).ok_or_else(|| reader.corrupt("removal"));
        Ok(PendingRemoval {
            user: reader.parse(self.id.clone(), UserId::parse)?,
            parts: self.removal.into_iter().map(part).collect::<Result<_, _>>()?,
        })
    }
}

async fn remove(mut session: CausalSession, id: String, event: NewEvent) -> Result<RemovalOutcome, MongodbError> {
    let mut living = tombstones::living_filter();
    living.insert("_id", id);
    let mut filter = living.clone();
    filter.extend(outbox::room_filter(1));
    let update = tombstones::removal_update(event)?;
    if session.update_one(IDENTITIES.name, filter, update).await? {
        session.notify_event();
        return Ok(RemovalOutcome::Removed);
    }
    let stored = session.find_one::<Document>(IDENTITIES.name, living).await?;
    Ok(stored.map_or(RemovalOutcome::NotFound, |_| RemovalOutcome::OutboxFull))
}

#[async_trait]
impl Identities for MongodbIdentities {
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError> {
        find(&self.0, id.as_str()).await
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        let login = login.to_owned();
        self.0.read_in_session(|session| find_by_name(session, login)).await
    }

    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        Ok(identity_outcome(create(&self.0, identity).await?)?)
    }

    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        Ok(identity_outcome(replace(&self.0, identity).await?)?)
    }

    async fn remove(&self, id: &UserId, event: NewEvent) -> Result<RemovalOutcome, StoreError> {
        let id = id.to_string();
        self.0.write(move |session| remove(session, id, event)).await
    }

    async fn pending_removals(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let pending = doc! { tombstones::PENDING: true };
        let found = self
            .0
            .page::<PendingRemovalDocument>(IDENTITIES.name, pending, after, limit);
        let removals = found.await?.into_iter().map(PendingRemovalDocument::read);
        Ok(removals.collect::<Result<_, _>>()?)
    }

    async fn release_logins(&self, id: &UserId) -> Result<(), StoreError> {
        release_removed::<Identity>(&self.0, id.as_str()).await
    }

    async fn finish_removal(&self, id: &UserId, part: RemovalPart) -> Result<(), StoreError> {
        let (filter, update) = tombstones::strike(id.as_str(), part);
        self.0.update_one(IDENTITIES.name, filter, update).await.map(drop)
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        page(&self.0, after.map(UserId::as_str), limit).await
    }
}

#[cfg(test)]
mod tests {
    use domain::contact::{ContactType, Email, Mobile};
    use domain::identity::{BusinessLink, MainContact};
    use domain::ids::{BusinessId, ContactId};
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let contact = |id: &str| ContactId::parse(id).unwrap();
        let identity = Identity {
            id: UserId::parse("user-1").unwrap(),
            name: Some("Ada".to_owned()),
            email: Some(MainContact {
                id: contact("contact-1"),
                value: Email::parse("Ada@Example.com").unwrap(),
            }),
            mobile: Some(MainContact {
                id: contact("contact-2"),
                value: Mobile::parse("55", Some("11"), "911112222").unwrap(),
            }),
            main_contact_type: ContactType::Email,
            roles: vec!["USER".to_owned()],
            groups: vec!["staff".to_owned()],
            businesses: vec![BusinessLink {
                id: BusinessId::parse("business-1").unwrap(),
                roles: vec!["OWNER".to_owned()],
            }],
        };
        let stored = serialize_to_document(&IdentityForm::from(&identity)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "name": "Ada", "email": { "id": "contact-1", "address": "Ada@example.com" }, "mobile": { "id": "contact-2", "region": "55", "area": "11", "number": "911112222" }, "mainContactType": "EMAIL", "roles": ["USER"], "groups": ["staff"], "businesses": [{ "id": "business-1", "roles": ["OWNER"] }] }"#);
        let read: IdentityForm = mongodb::bson::deserialize_from_document(stored).unwrap();
        assert_eq!(read.read("user-1").unwrap(), identity);
    }
}
