use std::sync::Arc;

use async_trait::async_trait;
use domain::contact::ContactType;
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ContactId, UserId};
use ports::{Identities, IdentitySaveOutcome, StoreError};
use serde::{Deserialize, Serialize};

use crate::bson_codec::{self, Reader};
use crate::contact_documents::{self, MobileDocument};
use crate::database::Database;
use crate::error::MongodbError;
use crate::reservations::{OwnerSaveOutcome, UniqueNameOwner, create, find_by_name, remove, replace};

pub(crate) const COLLECTION: &str = "identities";

pub(crate) struct MongodbIdentities(pub(crate) Arc<Database>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentityDocument {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<MainEmailDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mobile: Option<MainMobileDocument>,
    main_contact_type: String,
    roles: Vec<String>,
    groups: Vec<String>,
    businesses: Vec<BusinessDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MainEmailDocument {
    id: String,
    address: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct MainMobileDocument {
    id: String,
    #[serde(flatten)]
    number: MobileDocument,
}

#[derive(Debug, Serialize, Deserialize)]
struct BusinessDocument {
    id: String,
    roles: Vec<String>,
}

impl From<&Identity> for IdentityDocument {
    fn from(identity: &Identity) -> Self {
        let business = |link: &BusinessLink| BusinessDocument {
            id: link.id.to_string(),
            roles: link.roles.clone(),
        };
        Self {
            id: identity.id.to_string(),
            name: identity.name.clone(),
            email: identity.email.as_ref().map(|contact| MainEmailDocument {
                id: contact.id.to_string(),
                address: contact.value.as_str().to_owned(),
            }),
            mobile: identity.mobile.as_ref().map(|contact| MainMobileDocument {
                id: contact.id.to_string(),
                number: (&contact.value).into(),
            }),
            main_contact_type: identity.main_contact_type.as_str().to_owned(),
            roles: identity.roles.clone(),
            groups: identity.groups.clone(),
            businesses: identity.businesses.iter().map(business).collect(),
        }
    }
}

impl TryFrom<IdentityDocument> for Identity {
    type Error = MongodbError;

    fn try_from(stored: IdentityDocument) -> Result<Self, MongodbError> {
        let id = stored.id.clone();
        let reader = Reader::new("identity", &id);
        let email = |stored: MainEmailDocument| {
            Ok::<_, MongodbError>(MainContact {
                id: reader.parse(stored.id, ContactId::parse)?,
                value: contact_documents::email(&reader, &stored.address)?,
            })
        };
        let mobile = |stored: MainMobileDocument| {
            Ok::<_, MongodbError>(MainContact {
                id: reader.parse(stored.id, ContactId::parse)?,
                value: contact_documents::mobile(&reader, &stored.number)?,
            })
        };
        let business = |stored: BusinessDocument| {
            Ok::<_, MongodbError>(BusinessLink {
                id: reader.parse(stored.id, BusinessId::parse)?,
                roles: stored.roles,
            })
        };
        Ok(Self {
            id: reader.parse(stored.id, UserId::parse)?,
            name: stored.name,
            email: stored.email.map(email).transpose()?,
            mobile: stored.mobile.map(mobile).transpose()?,
            main_contact_type: ContactType::parse(&stored.main_contact_type)
                .ok_or_else(|| reader.corrupt("main contact type"))?,
            roles: stored.roles,
            groups: stored.groups,
            businesses: stored.businesses.into_iter().map(business).collect::<Result<_, _>>()?,
        })
    }
}

impl UniqueNameOwner for Identity {
    const COLLECTION: &'static str = COLLECTION;
    const RESERVATIONS: &'static str = "logins";
    type Document = IdentityDocument;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn names(&self) -> Vec<String> {
        self.logins()
    }

    fn to_stored(&self) -> IdentityDocument {
        self.into()
    }

    fn from_stored(stored: IdentityDocument) -> Result<Self, MongodbError> {
        stored.try_into()
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
        let found = self
            .0
            .find_or_read_linearizable::<IdentityDocument>(COLLECTION, id.as_str())
            .await?;
        Ok(found.map(Identity::try_from).transpose()?)
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
        let after = after.map(ToString::to_string).unwrap_or_default();
        let found = bson_codec::page::<IdentityDocument>(&self.0, COLLECTION, after, limit).await?;
        Ok(found.into_iter().map(Identity::try_from).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use domain::contact::{Email, Mobile};
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
        let stored = serialize_to_document(&IdentityDocument::from(&identity)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "user-1", "name": "Ada", "email": { "id": "contact-1", "address": "Ada@example.com" }, "mobile": { "id": "contact-2", "region": "55", "area": "11", "number": "911112222" }, "mainContactType": "EMAIL", "roles": ["USER"], "groups": ["staff"], "businesses": [{ "id": "business-1", "roles": ["OWNER"] }] }"#);
        let read: IdentityDocument = mongodb::bson::deserialize_from_document(stored).unwrap();
        assert_eq!(Identity::try_from(read).unwrap(), identity);
    }
}
