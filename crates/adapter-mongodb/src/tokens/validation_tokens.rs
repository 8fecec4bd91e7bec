use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::sessions::{Nonce, RefreshToken};
use domain::tokens::{Consumption, ValidationToken, ValidationTokenHash};
use mongodb::bson::{Binary, DateTime, doc};
use ports::StoreError;
use ports::tokens::ValidationTokens;
use serde::{Deserialize, Serialize};

use crate::bson_codec::{Reader, binary, date};
use crate::database::Database;
use crate::error::MongodbError;
use stored_forms::is_zero;

pub(crate) const COLLECTION: &str = ports::tokens::VALIDATION_TOKENS.name;

pub(crate) struct MongodbValidationTokens(pub(crate) Arc<Database>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationTokenDocument {
    #[serde(rename = "_id")]
    hash: Binary,
    user: String,
    origin_client: String,
    target_client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    business: Option<String>,
    groups: Vec<String>,
    epoch: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    sessions_version: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_expires_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    expires_at: DateTime,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    administrative_groups: Vec<String>,
    /// The session that its use starts, and the nonce of the first refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<Binary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consumed_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_session: Option<bool>,
}

impl From<&ValidationToken> for ValidationTokenDocument {
    fn from(token: &ValidationToken) -> Self {
        Self {
            hash: binary(&token.hash.0),
            user: token.user.to_string(),
            origin_client: token.origin_client.to_string(),
            target_client: token.target_client.to_string(),
            business: token.business.as_ref().map(ToString::to_string),
            groups: token.groups.clone(),
            epoch: token.epoch,
            sessions_version: token.sessions_version,
            ancestors: token.ancestors.iter().map(ToString::to_string).collect(),
            session_expires_at: token.session_expires_at.map(date),
            ip: token.ip.map(|ip| ip.to_string()),
            expires_at: date(token.expires_at),
            administrative_groups: token.administrative_groups.clone(),
            family: token.first_refresh_token.as_ref().map(|first| first.family.to_string()),
            nonce: token.first_refresh_token.as_ref().map(|first| binary(&first.nonce.0)),
            consumed_at: token.consumption.map(|consumption| date(consumption.at)),
            starts_session: token.consumption.map(|consumption| consumption.starts_session),
        }
    }
}

impl TryFrom<ValidationTokenDocument> for ValidationToken {
    type Error = MongodbError;

    fn try_from(stored: ValidationTokenDocument) -> Result<Self, MongodbError> {
        let client = stored.target_client.clone();
        let reader = Reader::new("validation token of client", &client);
        let first_refresh_token = match (stored.family, stored.nonce) {
            (Some(family), Some(nonce)) => Some(RefreshToken {
                family: reader.parse(family, FamilyId::parse)?,
                generation: 1,
                nonce: Nonce(reader.bytes(nonce)?),
            }),
            (None, _) | (_, None) => None,
        };
        let consumed_at = stored.consumed_at.map(|at| reader.time(at)).transpose()?;
        Ok(Self {
            hash: ValidationTokenHash(reader.bytes(stored.hash)?),
            user: reader.parse(stored.user, UserId::parse)?,
            origin_client: reader.parse(stored.origin_client, ClientId::parse)?,
            target_client: reader.parse(stored.target_client, ClientId::parse)?,
            business: stored
                .business
                .map(|business| reader.parse(business, BusinessId::parse))
                .transpose()?,
            groups: stored.groups,
            epoch: stored.epoch,
            sessions_version: stored.sessions_version,
            ancestors: stored
                .ancestors
                .into_iter()
                .map(|id| reader.parse(id, FamilyId::parse))
                .collect::<Result<_, _>>()?,
            session_expires_at: stored.session_expires_at.map(|at| reader.time(at)).transpose()?,
            ip: stored
                .ip
                .map(|ip| reader.parse(ip, |ip| ip.parse::<IpAddr>()))
                .transpose()?,
            expires_at: reader.time(stored.expires_at)?,
            administrative_groups: stored.administrative_groups,
            first_refresh_token,
            consumption: consumed_at.map(|at| Consumption {
                at,
                starts_session: stored.starts_session.unwrap_or_default(),
            }),
        })
    }
}

#[async_trait]
impl ValidationTokens for MongodbValidationTokens {
    async fn issue(&self, token: &ValidationToken) -> Result<bool, StoreError> {
        let document = ValidationTokenDocument::from(token);
        self.0
            .write(|mut session| async move { session.insert_once(COLLECTION, &document).await })
            .await
    }

    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = COLLECTION))]
    async fn find(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        let filter = doc! { "_id": binary(&hash.0) };
        let found = self.0.read(|connection| async move {
            let collection = connection.collection::<ValidationTokenDocument>(COLLECTION);
            collection
                .find_one(filter)
                .await
                .map_err(|error| MongodbError::read(&error))
        });
        Ok(found.await?.map(ValidationToken::try_from).transpose()?)
    }

    async fn read_linearizable(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        let filter = doc! { "_id": binary(&hash.0) };
        let found = self.0.read(|connection| async move {
            let found = connection.read_linearizable::<ValidationTokenDocument>(COLLECTION, filter);
            found.await
        });
        Ok(found.await?.map(ValidationToken::try_from).transpose()?)
    }

    async fn consume(
        &self,
        hash: &ValidationTokenHash,
        client: &ClientId,
        consumption: Consumption,
    ) -> Result<bool, StoreError> {
        let at = date(consumption.at);
        let filter = doc! {
            "_id": binary(&hash.0),
            "targetClient": client.as_str(),
            "expiresAt": { "$gt": at },
            "consumedAt": { "$exists": false },
        };
        // The expiry moves, so that a process of an earlier version, which knows no consumption, does not find the
        // token either.
        let update = doc! { "$set": {
            "expiresAt": at,
            "consumedAt": at,
            "startsSession": consumption.starts_session,
        } };
        self.0.update_one(COLLECTION, filter, update).await
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let token = ValidationToken {
            hash: ValidationTokenHash([7; 32]),
            user: UserId::parse("user-1").unwrap(),
            origin_client: ClientId::parse("saml").unwrap(),
            target_client: ClientId::parse("portal").unwrap(),
            business: Some(BusinessId::parse("business-1").unwrap()),
            groups: vec!["staff".to_owned()],
            epoch: 3,
            sessions_version: 2,
            ancestors: vec![FamilyId::parse("family-1").unwrap()],
            session_expires_at: Some(Timestamp::UNIX_EPOCH),
            ip: Some(IpAddr::from([203, 0, 113, 7])),
            expires_at: Timestamp::UNIX_EPOCH,
            administrative_groups: vec!["staff".to_owned()],
            first_refresh_token: Some(RefreshToken {
                family: FamilyId::parse("family-2").unwrap(),
                generation: 1,
                nonce: Nonce([7; 16]),
            }),
            consumption: Some(Consumption {
                at: Timestamp::UNIX_EPOCH,
                starts_session: true,
            }),
        };
        let stored = serialize_to_document(&ValidationTokenDocument::from(&token)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": Binary(0x0, BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=), "user": "user-1", "originClient": "saml", "targetClient": "portal", "business": "business-1", "groups": ["staff"], "epoch": 3, "sessionsVersion": 2, "ancestors": ["family-1"], "sessionExpiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "ip": "203.0.113.7", "expiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "administrativeGroups": ["staff"], "family": "family-2", "nonce": Binary(0x0, BwcHBwcHBwcHBwcHBwcHBw==), "consumedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "startsSession": true }"#);
        let read: ValidationTokenDocument = mongodb::bson::deserialize_from_document(stored.clone()).unwrap();
        assert_eq!(ValidationToken::try_from(read).unwrap(), token);
        let mut older = stored;
        for member in [
            "administrativeGroups",
            "sessionsVersion",
            "family",
            "nonce",
            "consumedAt",
            "startsSession",
        ] {
            assert!(older.remove(member).is_some(), "{member}");
        }
        let read: ValidationTokenDocument = mongodb::bson::deserialize_from_document(older).unwrap();
        let expected = ValidationToken {
            administrative_groups: Vec::new(),
            sessions_version: 0,
            first_refresh_token: None,
            consumption: None,
            ..token
        };
        assert_eq!(ValidationToken::try_from(read).unwrap(), expected);
    }
}
