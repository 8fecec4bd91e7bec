use std::sync::Arc;

use async_trait::async_trait;
use domain::identity::Identity;
use domain::ids::UserId;
use ports::{IDENTITIES, Identities, IdentitySaveOutcome, StoreError};
use stored_forms::{Corrupt, IdentityForm};

use crate::bson_codec::Reader;
use crate::database::Database;
use crate::error::MongodbError;
use crate::reservations::{OwnerSaveOutcome, UniqueNameOwner, create, find, find_by_name, page, remove, replace};

pub(crate) struct MongodbIdentities(pub(crate) Arc<Database>);

impl UniqueNameOwner for Identity {
    const COLLECTION: &'static str = IDENTITIES.name;
    const RESERVATIONS: &'static str = "logins";
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

    fn from_form(id: &str, form: IdentityForm) -> Result<Self, Corrupt> {
        form.read(id)
    }
}

fn identity_outcome(outcome: OwnerSaveOutcome) -> Result<IdentitySaveOutcome, MongodbError> {
    match outcome {
        OwnerSaveOutcome::Saved => Ok(IdentitySaveOutcome::Saved),
        OwnerSaveOutcome::IdTaken => Ok(IdentitySaveOutcome::IdTaken),
        OwnerSaveOutcome::NameTaken { by, .. } => {
            let by = Reader::new("login", "").parse(by, UserId::parse)?;
            Ok(IdentitySaveOutcome::LoginTaken { by })
        }
    }
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

    async fn remove(&self, id: &UserId) -> Result<bool, StoreError> {
        remove::<Identity>(&self.0, id.as_str()).await
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
