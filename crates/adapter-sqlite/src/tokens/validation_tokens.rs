use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::time::Timestamp;
use domain::tokens::{ValidationToken, ValidationTokenHash};
use ports::StoreError;
use ports::tokens::ValidationTokens;
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, to_json};

pub(crate) struct SqliteValidationTokens(pub(crate) Arc<Database>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationTokenDocument {
    user: String,
    origin_client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    business: Option<String>,
    groups: Vec<String>,
    epoch: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    administrative_groups: Vec<String>,
}

impl From<&ValidationToken> for ValidationTokenDocument {
    fn from(token: &ValidationToken) -> Self {
        Self {
            user: token.user.to_string(),
            origin_client: token.origin_client.to_string(),
            business: token.business.as_ref().map(ToString::to_string),
            groups: token.groups.clone(),
            epoch: token.epoch,
            ancestors: token.ancestors.iter().map(ToString::to_string).collect(),
            session_expires_at: token.session_expires_at.map(Timestamp::as_millisecond),
            ip: token.ip,
            administrative_groups: token.administrative_groups.clone(),
        }
    }
}

fn validation_token(row: &Row<'_>, hash: ValidationTokenHash) -> Result<ValidationToken, SqliteError> {
    // An error names the first column, which is the client.
    let row = Reader::new("validation token of client", row);
    let document: ValidationTokenDocument = row.json("document")?;
    let corrupt = |error| row.corrupt(error);
    Ok(ValidationToken {
        hash,
        user: UserId::parse(document.user).map_err(corrupt)?,
        origin_client: ClientId::parse(document.origin_client).map_err(corrupt)?,
        target_client: row.parse("target_client", ClientId::parse)?,
        business: document.business.map(BusinessId::parse).transpose().map_err(corrupt)?,
        groups: document.groups,
        epoch: document.epoch,
        ancestors: document
            .ancestors
            .into_iter()
            .map(FamilyId::parse)
            .collect::<Result<_, _>>()
            .map_err(corrupt)?,
        session_expires_at: document
            .session_expires_at
            .map(Timestamp::from_millisecond)
            .transpose()
            .map_err(|error| row.corrupt(error))?,
        ip: document.ip,
        expires_at: row.time("expires_at")?,
        administrative_groups: document.administrative_groups,
    })
}

#[async_trait]
impl ValidationTokens for SqliteValidationTokens {
    async fn issue(&self, token: &ValidationToken) -> Result<bool, StoreError> {
        let (hash, client, expires_at) = (
            token.hash,
            token.target_client.to_string(),
            token.expires_at.as_millisecond(),
        );
        let document = to_json("validation token", &ValidationTokenDocument::from(token))?;
        let sql = "INSERT INTO validation_tokens (key, target_client, expires_at, document) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (key) DO NOTHING";
        self.0
            .write(move |connection| {
                Ok(row_codec::execute(connection, sql, (hash.0, client, expires_at, document))? > 0)
            })
            .await
    }

    async fn find(&self, hash: &ValidationTokenHash, now: Timestamp) -> Result<Option<ValidationToken>, StoreError> {
        let sql =
            "SELECT target_client, expires_at, document FROM validation_tokens WHERE key = ?1 AND expires_at > ?2";
        self.0.read(|connection| {
            row_codec::first(connection, sql, (hash.0, now.as_millisecond()), |row| {
                validation_token(row, *hash)
            })
        })
    }

    async fn read_linearizable(
        &self,
        hash: &ValidationTokenHash,
        now: Timestamp,
    ) -> Result<Option<ValidationToken>, StoreError> {
        // Every read of the file sees all that is committed.
        self.find(hash, now).await
    }

    async fn consume(&self, hash: &ValidationTokenHash, client: &ClientId, now: Timestamp) -> Result<bool, StoreError> {
        let (hash, client, now) = (*hash, client.to_string(), now.as_millisecond());
        let sql = "DELETE FROM validation_tokens WHERE key = ?1 AND target_client = ?2 AND expires_at > ?3";
        self.0
            .write(move |connection| Ok(row_codec::execute(connection, sql, (hash.0, client, now))? > 0))
            .await
    }
}
