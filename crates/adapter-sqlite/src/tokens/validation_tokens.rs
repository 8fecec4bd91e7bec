use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::sessions::{Nonce, RefreshToken};
use domain::time::Timestamp;
use domain::tokens::{Consumption, ValidationToken, ValidationTokenHash};
use ports::StoreError;
use ports::tokens::ValidationTokens;
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, to_json};
use stored_forms::is_zero;

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
    #[serde(default, skip_serializing_if = "is_zero")]
    sessions_version: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    administrative_groups: Vec<String>,
    /// The session that its use starts, and the nonce of the first refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consumed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_session: Option<bool>,
}

impl From<&ValidationToken> for ValidationTokenDocument {
    fn from(token: &ValidationToken) -> Self {
        Self {
            user: token.user.to_string(),
            origin_client: token.origin_client.to_string(),
            business: token.business.as_ref().map(ToString::to_string),
            groups: token.groups.clone(),
            epoch: token.epoch,
            sessions_version: token.sessions_version,
            ancestors: token.ancestors.iter().map(ToString::to_string).collect(),
            session_expires_at: token.session_expires_at.map(Timestamp::as_millisecond),
            ip: token.ip,
            administrative_groups: token.administrative_groups.clone(),
            family: token.first_refresh_token.as_ref().map(|first| first.family.to_string()),
            nonce: token
                .first_refresh_token
                .as_ref()
                .map(|first| domain::hex::encode(&first.nonce.0)),
            consumed_at: token.consumption.map(|consumption| consumption.at.as_millisecond()),
            starts_session: token.consumption.map(|consumption| consumption.starts_session),
        }
    }
}

fn validation_token(row: &Row<'_>, hash: ValidationTokenHash) -> Result<ValidationToken, SqliteError> {
    // An error names the first column, which is the client.
    let row = Reader::new("validation token of client", row);
    let document: ValidationTokenDocument = row.json("document")?;
    let corrupt = |error| row.corrupt(error);
    let time = |stored: Option<i64>| {
        let time = stored.map(Timestamp::from_millisecond).transpose();
        time.map_err(|error| row.corrupt(error))
    };
    let first_refresh_token = match (document.family, document.nonce) {
        (Some(family), Some(nonce)) => Some(RefreshToken {
            family: FamilyId::parse(family).map_err(corrupt)?,
            generation: 1,
            nonce: Nonce(domain::hex::decode(&nonce).ok_or_else(|| row.corrupt("nonce"))?),
        }),
        (None, _) | (_, None) => None,
    };
    let consumption = time(document.consumed_at)?.map(|at| Consumption {
        at,
        starts_session: document.starts_session.unwrap_or_default(),
    });
    Ok(ValidationToken {
        hash,
        user: UserId::parse(document.user).map_err(corrupt)?,
        origin_client: ClientId::parse(document.origin_client).map_err(corrupt)?,
        target_client: row.parse("target_client", ClientId::parse)?,
        business: document.business.map(BusinessId::parse).transpose().map_err(corrupt)?,
        groups: document.groups,
        epoch: document.epoch,
        sessions_version: document.sessions_version,
        ancestors: document
            .ancestors
            .into_iter()
            .map(FamilyId::parse)
            .collect::<Result<_, _>>()
            .map_err(corrupt)?,
        session_expires_at: time(document.session_expires_at)?,
        ip: document.ip,
        expires_at: row.time("expires_at")?,
        administrative_groups: document.administrative_groups,
        first_refresh_token,
        consumption,
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

    async fn find(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        let sql = "SELECT target_client, expires_at, document FROM validation_tokens WHERE key = ?1";
        self.0
            .read(|connection| row_codec::first(connection, sql, [hash.0], |row| validation_token(row, *hash)))
    }

    async fn read_linearizable(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        // Every read of the file sees all that is committed.
        self.find(hash).await
    }

    async fn consume(
        &self,
        hash: &ValidationTokenHash,
        client: &ClientId,
        consumption: Consumption,
    ) -> Result<bool, StoreError> {
        let (hash, client) = (*hash, client.to_string());
        let at = consumption.at.as_millisecond();
        let sql = "UPDATE validation_tokens SET expires_at = ?3,
                       document = json_set(document, '$.consumedAt', ?3, '$.startsSession', json(iif(?4, 'true', 'false')))
                   WHERE key = ?1 AND target_client = ?2 AND expires_at > ?3
                       AND json_extract(document, '$.consumedAt') IS NULL";
        self.0
            .write(move |connection| {
                let parameters = (hash.0, client, at, consumption.starts_session);
                Ok(row_codec::execute(connection, sql, parameters)? > 0)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_form() {
        let token = ValidationToken {
            hash: ValidationTokenHash([7; 32]),
            user: UserId::parse("user-1").unwrap(),
            origin_client: ClientId::parse("saml").unwrap(),
            target_client: ClientId::parse("portal").unwrap(),
            business: None,
            groups: vec!["staff".to_owned()],
            epoch: 3,
            sessions_version: 2,
            ancestors: Vec::new(),
            session_expires_at: None,
            ip: None,
            expires_at: Timestamp::UNIX_EPOCH,
            administrative_groups: Vec::new(),
            first_refresh_token: Some(RefreshToken {
                family: FamilyId::parse("family-1").unwrap(),
                generation: 1,
                nonce: Nonce([7; 16]),
            }),
            consumption: Some(Consumption {
                at: Timestamp::UNIX_EPOCH,
                starts_session: true,
            }),
        };
        let stored = serde_json::to_string(&ValidationTokenDocument::from(&token)).unwrap();
        assert_eq!(
            stored,
            r#"{"user":"user-1","originClient":"saml","groups":["staff"],"epoch":3,"sessionsVersion":2,"family":"family-1","nonce":"07070707070707070707070707070707","consumedAt":0,"startsSession":true}"#
        );
    }
}
