use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::client::{Client, ClientSecretDigest, ExpiresIn};
use domain::factors::Visibility;
use domain::ids::ClientId;
use domain::time::Timestamp;
use ports::{ClientSaveOutcome, Clients, StoreError};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, integer, to_json};

pub(crate) struct SqliteClients(pub(crate) Arc<Database>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the stored form of the client's switches")]
struct ClientDocument {
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretDocument {
    salt: String,
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<i64>,
}

impl From<&Client> for ClientDocument {
    fn from(client: &Client) -> Self {
        let secret = |secret: &ClientSecretDigest| SecretDocument {
            salt: domain::hex::encode(&secret.salt),
            digest: domain::hex::encode(&secret.digest),
            valid_until: secret.valid_until.map(Timestamp::as_millisecond),
        };
        Self {
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

fn client(row: &Row<'_>) -> Result<Client, SqliteError> {
    let row = Reader::new("client", row);
    let document: ClientDocument = row.json("document")?;
    let secret = |secret: SecretDocument| {
        Ok(ClientSecretDigest {
            salt: domain::hex::decode(&secret.salt).ok_or_else(|| row.corrupt("salt"))?,
            digest: domain::hex::decode(&secret.digest).ok_or_else(|| row.corrupt("digest"))?,
            valid_until: secret
                .valid_until
                .map(Timestamp::from_millisecond)
                .transpose()
                .map_err(|error| row.corrupt(error))?,
        })
    };
    let alias = |alias: String| ClientId::parse(alias).map_err(|error| row.corrupt(error));
    let expires_in = |form: String| ExpiresIn::parse(&form).ok_or_else(|| row.corrupt("expiresIn"));
    Ok(Client {
        id: row.parse("client_id", ClientId::parse)?,
        secrets: document
            .secrets
            .into_iter()
            .map(secret)
            .collect::<Result<_, SqliteError>>()?,
        is_enabled: document.enabled,
        is_removed: document.removed,
        epoch: document.epoch,
        roles: document.roles,
        scopes: document.scopes,
        accepts_saml: document.saml,
        is_identity_provider: document.identity_provider,
        creates_users: document.create_users,
        requires_known_groups: document.require_known_groups,
        aliases: document
            .aliases
            .into_iter()
            .map(alias)
            .collect::<Result<_, SqliteError>>()?,
        visibility: Visibility::parse(&document.visibility).ok_or_else(|| row.corrupt("visibility"))?,
        message_templates: document.texts,
        access_token_lifetime: document.access_token_lifetime_seconds.map(Duration::from_secs),
        allows_administration: document.administration,
        assertable_groups: document.may_assert,
        expires_in: document.expires_in.map(expires_in).transpose()?,
    })
}

/// Returns the first of the client's names (id and aliases) that another client has.
fn find_taken_name(connection: &Connection, client: &Client) -> Result<Option<ClientId>, SqliteError> {
    for name in std::iter::once(&client.id).chain(&client.aliases) {
        let sql = "SELECT name FROM client_names WHERE name = ?1 AND client_id <> ?2";
        if row_codec::first(connection, sql, (name.as_str(), client.id.as_str()), |_| Ok(()))?.is_some() {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

fn save(connection: &Connection, client: &Client, is_new: bool) -> Result<ClientSaveOutcome, SqliteError> {
    let id = client.id.as_str();
    if let Some(name) = find_taken_name(connection, client)? {
        return Ok(ClientSaveOutcome::NameTaken(name));
    }
    let exists = row_codec::first(
        connection,
        "SELECT client_id FROM clients WHERE client_id = ?1",
        [id],
        |_| Ok(()),
    )?
    .is_some();
    if exists && is_new {
        return Ok(ClientSaveOutcome::NameTaken(client.id.clone()));
    }
    let document = to_json("client", &ClientDocument::from(client))?;
    let sql = "INSERT INTO clients (client_id, document) VALUES (?1, ?2) ON CONFLICT (client_id) DO UPDATE SET document = excluded.document";
    row_codec::execute(connection, sql, (id, document))?;
    row_codec::execute(connection, "DELETE FROM client_names WHERE client_id = ?1", [id])?;
    for name in std::iter::once(&client.id).chain(&client.aliases) {
        row_codec::execute(
            connection,
            "INSERT OR REPLACE INTO client_names (name, client_id) VALUES (?1, ?2)",
            (name.as_str(), id),
        )?;
    }
    Ok(ClientSaveOutcome::Saved)
}

#[async_trait]
impl Clients for SqliteClients {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let sql = "SELECT client_id, document FROM clients WHERE client_id = ?1";
        self.0
            .read(|connection| row_codec::first(connection, sql, [id.as_str()], client))
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let client = client.clone();
        self.0.write(move |connection| save(connection, &client, true)).await
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let client = client.clone();
        self.0.write(move |connection| save(connection, &client, false)).await
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let sql = "SELECT client_id, document FROM clients WHERE client_id > ?1 ORDER BY client_id LIMIT ?2";
        self.0
            .scan(move |connection| row_codec::all(connection, sql, (after, integer(limit as u64)), client))
            .await
    }
}
