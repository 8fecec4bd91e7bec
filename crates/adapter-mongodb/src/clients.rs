use std::sync::Arc;

use async_trait::async_trait;
use domain::client::Client;
use domain::ids::ClientId;
use ports::{CLIENTS, ClientSaveOutcome, Clients, StoreError};
use stored_forms::{ClientForm, Corrupt};

use crate::bson_codec::{Bson, Reader};
use crate::database::Database;
use crate::error::MongodbError;
use crate::owners::{UniqueNameOwner, page};
use crate::reservations::{OwnerSaveOutcome, create, replace};

pub(crate) struct MongodbClients(pub(crate) Arc<Database>);

impl UniqueNameOwner for Client {
    const COLLECTION: &'static str = CLIENTS.name;
    const RESERVATIONS: &'static str = "client_names";
    type Form = ClientForm<Bson>;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn names(&self) -> Vec<String> {
        let names = std::iter::once(&self.id).chain(&self.aliases);
        names.map(ToString::to_string).collect()
    }

    fn to_form(&self) -> ClientForm<Bson> {
        self.into()
    }

    fn from_form(id: &str, form: ClientForm<Bson>) -> Result<Option<Self>, Corrupt> {
        form.read(id).map(Some)
    }
}

fn client_outcome(id: &ClientId, outcome: OwnerSaveOutcome) -> Result<ClientSaveOutcome, MongodbError> {
    match outcome {
        OwnerSaveOutcome::Saved => Ok(ClientSaveOutcome::Saved),
        // Clients leave no tombstone of this kind: a removed client stays a client.
        OwnerSaveOutcome::IdTaken | OwnerSaveOutcome::Removed => Ok(ClientSaveOutcome::NameTaken(id.clone())),
        OwnerSaveOutcome::NameTaken { name, .. } => {
            let name = Reader::new("client", id.as_str()).parse(name, ClientId::parse)?;
            Ok(ClientSaveOutcome::NameTaken(name))
        }
    }
}

#[async_trait]
impl Clients for MongodbClients {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.0.find::<ClientForm<Bson>>(CLIENTS.name, id.as_str()).await?;
        let read = |form: ClientForm<Bson>| form.read(id.as_str());
        let client = found.map(read).transpose();
        Ok(client.map_err(|error| MongodbError::corrupt(CLIENTS.name, id.as_str(), error.0))?)
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        Ok(client_outcome(&client.id, create(&self.0, client).await?)?)
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        Ok(client_outcome(&client.id, replace(&self.0, client).await?)?)
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        page(&self.0, after.map(ClientId::as_str), limit).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::client::{ClientSecretDigest, ExpiresIn};
    use domain::time::Timestamp;
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let mut client = Client::new(ClientId::parse("portal").unwrap());
        client.secrets = vec![ClientSecretDigest {
            salt: [1; 16],
            digest: [2; 32],
            valid_until: Some(Timestamp::UNIX_EPOCH),
        }];
        client.roles = vec!["CLI-1STPARTY".to_owned()];
        client.aliases = vec![ClientId::parse("portal.old").unwrap()];
        client.message_templates = Some("portal".to_owned());
        client.access_token_lifetime = Some(Duration::from_mins(5));
        client.allows_administration = true;
        client.assertable_groups = vec!["staff".to_owned()];
        client.expires_in = Some(ExpiresIn::Remaining);
        let stored = serialize_to_document(&ClientForm::<Bson>::from(&client)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "secrets": [{ "salt": Binary(0x0, AQEBAQEBAQEBAQEBAQEBAQ==), "digest": Binary(0x0, AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=), "validUntil": DateTime("1970-01-01 0:00:00.0 +00:00:00") }], "enabled": true, "epoch": 0, "roles": ["CLI-1STPARTY"], "scopes": [], "saml": false, "identityProvider": false, "createUsers": false, "requireKnownGroups": false, "aliases": ["portal.old"], "visibility": "CREDENTIALS_ONLY", "texts": "portal", "accessTokenLifetimeSeconds": 300, "administration": true, "mayAssert": ["staff"], "expiresIn": "seconds" }"#);
    }

    #[test]
    fn older_stored_clients_are_read_without_new_options() {
        let portal = Client::new(ClientId::parse("portal").unwrap());
        let mut stored = serialize_to_document(&ClientForm::<Bson>::from(&Client {
            message_templates: Some("portal".to_owned()),
            allows_administration: true,
            assertable_groups: vec!["staff".to_owned()],
            expires_in: Some(ExpiresIn::Absolute),
            ..portal.clone()
        }))
        .unwrap();
        for added in ["texts", "administration", "mayAssert", "expiresIn"] {
            assert!(stored.remove(added).is_some(), "{added}");
        }
        let read: ClientForm<Bson> = mongodb::bson::deserialize_from_document(stored).unwrap();
        assert_eq!(read.read("portal").unwrap(), portal);
    }
}
