use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::client::{Client, ClientSecretDigest, ExpiresIn};
use domain::factors::Visibility;
use domain::ids::ClientId;
use mongodb::bson::{Binary, DateTime};
use ports::{ClientSaveOutcome, Clients, StoreError};
use serde::{Deserialize, Serialize};

use crate::bson_codec::{self, Reader, binary, date};
use crate::database::Database;
use crate::error::MongodbError;
use crate::reservations::{OwnerSaveOutcome, UniqueNameOwner, create, replace};

const COLLECTION: &str = "clients";

pub(crate) struct MongodbClients(pub(crate) Arc<Database>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the stored form has a field per switch of a client"
)]
pub(crate) struct ClientDocument {
    #[serde(rename = "_id")]
    id: String,
    secrets: Vec<SecretDocument>,
    enabled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(default)]
    epoch: u64,
    roles: Vec<String>,
    scopes: Vec<String>,
    saml: bool,
    identity_provider: bool,
    create_users: bool,
    require_known_groups: bool,
    aliases: Vec<String>,
    visibility: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    texts: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token_lifetime_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    administration: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    may_assert: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretDocument {
    salt: Binary,
    digest: Binary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<DateTime>,
}

impl From<&Client> for ClientDocument {
    fn from(client: &Client) -> Self {
        let secret = |secret: &ClientSecretDigest| SecretDocument {
            salt: binary(&secret.salt),
            digest: binary(&secret.digest),
            valid_until: secret.valid_until.map(date),
        };
        Self {
            id: client.id.to_string(),
            secrets: client.secrets.iter().map(secret).collect(),
            enabled: client.is_enabled,
            removed: client.is_removed,
            epoch: client.epoch,
            roles: client.roles.clone(),
            scopes: client.scopes.clone(),
            saml: client.accepts_saml,
            identity_provider: client.is_identity_provider,
            create_users: client.creates_users,
            require_known_groups: client.requires_known_groups,
            aliases: client.aliases.iter().map(ToString::to_string).collect(),
            visibility: client.visibility.as_str().to_owned(),
            texts: client.message_templates.clone(),
            access_token_lifetime_seconds: client.access_token_lifetime.map(|lifetime| lifetime.as_secs()),
            administration: client.allows_administration,
            may_assert: client.assertable_groups.clone(),
            expires_in: client.expires_in.map(|form| form.as_str().to_owned()),
        }
    }
}

impl TryFrom<ClientDocument> for Client {
    type Error = MongodbError;

    fn try_from(stored: ClientDocument) -> Result<Self, MongodbError> {
        let id = stored.id.clone();
        let reader = Reader::new("client", &id);
        let secret = |secret: SecretDocument| {
            Ok::<_, MongodbError>(ClientSecretDigest {
                salt: reader.bytes(secret.salt)?,
                digest: reader.bytes(secret.digest)?,
                valid_until: secret.valid_until.map(|until| reader.time(until)).transpose()?,
            })
        };
        let alias = |alias| reader.parse(alias, ClientId::parse);
        let expires_in = |form: String| ExpiresIn::parse(&form).ok_or_else(|| reader.corrupt("expiresIn"));
        Ok(Self {
            id: reader.parse(stored.id, ClientId::parse)?,
            secrets: stored.secrets.into_iter().map(secret).collect::<Result<_, _>>()?,
            is_enabled: stored.enabled,
            is_removed: stored.removed,
            epoch: stored.epoch,
            roles: stored.roles,
            scopes: stored.scopes,
            accepts_saml: stored.saml,
            is_identity_provider: stored.identity_provider,
            creates_users: stored.create_users,
            requires_known_groups: stored.require_known_groups,
            aliases: stored.aliases.into_iter().map(alias).collect::<Result<_, _>>()?,
            visibility: Visibility::parse(&stored.visibility).ok_or_else(|| reader.corrupt("visibility"))?,
            message_templates: stored.texts,
            access_token_lifetime: stored.access_token_lifetime_seconds.map(Duration::from_secs),
            allows_administration: stored.administration,
            assertable_groups: stored.may_assert,
            expires_in: stored.expires_in.map(expires_in).transpose()?,
        })
    }
}

impl UniqueNameOwner for Client {
    const COLLECTION: &'static str = COLLECTION;
    const RESERVATIONS: &'static str = "client_names";
    type Document = ClientDocument;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn names(&self) -> Vec<String> {
        let names = std::iter::once(&self.id).chain(&self.aliases);
        names.map(ToString::to_string).collect()
    }

    fn to_stored(&self) -> ClientDocument {
        self.into()
    }

    fn from_stored(stored: ClientDocument) -> Result<Self, MongodbError> {
        stored.try_into()
    }
}

fn client_outcome(id: &ClientId, outcome: OwnerSaveOutcome) -> Result<ClientSaveOutcome, MongodbError> {
    match outcome {
        OwnerSaveOutcome::Saved => Ok(ClientSaveOutcome::Saved),
        OwnerSaveOutcome::IdTaken => Ok(ClientSaveOutcome::NameTaken(id.clone())),
        OwnerSaveOutcome::NameTaken { name, .. } => {
            let name = Reader::new("client", id.as_str()).parse(name, ClientId::parse)?;
            Ok(ClientSaveOutcome::NameTaken(name))
        }
    }
}

#[async_trait]
impl Clients for MongodbClients {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.0.find::<ClientDocument>(COLLECTION, id.as_str()).await?;
        Ok(found.map(Client::try_from).transpose()?)
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        Ok(client_outcome(&client.id, create(&self.0, client).await?)?)
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        Ok(client_outcome(&client.id, replace(&self.0, client).await?)?)
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let found = bson_codec::page::<ClientDocument>(&self.0, COLLECTION, after, limit).await?;
        Ok(found.into_iter().map(Client::try_from).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
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
        let stored = serialize_to_document(&ClientDocument::from(&client)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "portal", "secrets": [{ "salt": Binary(0x0, AQEBAQEBAQEBAQEBAQEBAQ==), "digest": Binary(0x0, AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=), "validUntil": DateTime("1970-01-01 0:00:00.0 +00:00:00") }], "enabled": true, "epoch": 0, "roles": ["CLI-1STPARTY"], "scopes": [], "saml": false, "identityProvider": false, "createUsers": false, "requireKnownGroups": false, "aliases": ["portal.old"], "visibility": "CREDENTIALS_ONLY", "texts": "portal", "accessTokenLifetimeSeconds": 300, "administration": true, "mayAssert": ["staff"], "expiresIn": "seconds" }"#);
    }

    #[test]
    fn older_stored_clients_are_read_without_new_options() {
        let portal = Client::new(ClientId::parse("portal").unwrap());
        let mut stored = serialize_to_document(&ClientDocument::from(&Client {
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
        let read: ClientDocument = mongodb::bson::deserialize_from_document(stored).unwrap();
        assert_eq!(Client::try_from(read).unwrap(), portal);
    }
}
