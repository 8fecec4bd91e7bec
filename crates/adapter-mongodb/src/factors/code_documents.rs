use domain::factors::{Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, Purpose};
use domain::ids::{ClientId, ContactId};
use mongodb::bson::{Binary, DateTime};
use serde::{Deserialize, Serialize};

use crate::bson_codec::{Reader, binary, date};
use crate::error::MongodbError;

/// The stored form of the codes of one contact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactCodesDocument {
    contact: String,
    destination: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<AttemptsDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<ChallengeDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptsDocument {
    used: u32,
    end_at: DateTime,
    #[serde(rename = "told")]
    is_exhaustion_reported: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeDocument {
    id: String,
    digest: Binary,
    revision: u64,
    purpose: String,
    client: String,
    attempts: u32,
    #[serde(rename = "told")]
    is_exhaustion_reported: bool,
    expires_at: DateTime,
}

impl AttemptsDocument {
    /// Returns the stored form, or `None` if no window has begun; then nothing is stored.
    pub(super) fn from_attempts(attempts: &Attempts) -> Option<Self> {
        (*attempts != Attempts::ZERO).then(|| Self {
            used: attempts.used,
            end_at: date(attempts.ends_at),
            is_exhaustion_reported: attempts.is_exhaustion_reported,
        })
    }
}

impl From<&ContactCodes> for ContactCodesDocument {
    fn from(codes: &ContactCodes) -> Self {
        Self {
            contact: codes.contact.to_string(),
            destination: codes.destination.clone(),
            attempts: AttemptsDocument::from_attempts(&codes.attempts),
            challenge: codes.challenge.as_ref().map(ChallengeDocument::from),
        }
    }
}

impl From<&Challenge> for ChallengeDocument {
    fn from(challenge: &Challenge) -> Self {
        Self {
            id: challenge.id.as_str().to_owned(),
            digest: binary(&challenge.digest.0),
            revision: challenge.revision,
            purpose: challenge.purpose.as_str().to_owned(),
            client: challenge.client.to_string(),
            attempts: challenge.attempts,
            is_exhaustion_reported: challenge.is_exhaustion_reported,
            expires_at: date(challenge.expires_at),
        }
    }
}

pub(super) fn attempts(reader: &Reader<'_>, stored: Option<AttemptsDocument>) -> Result<Attempts, MongodbError> {
    let Some(stored) = stored else {
        return Ok(Attempts::ZERO);
    };
    Ok(Attempts {
        used: stored.used,
        ends_at: reader.time(stored.end_at)?,
        is_exhaustion_reported: stored.is_exhaustion_reported,
    })
}

pub(super) fn contact_codes(reader: &Reader<'_>, stored: ContactCodesDocument) -> Result<ContactCodes, MongodbError> {
    Ok(ContactCodes {
        contact: reader.parse(stored.contact, ContactId::parse)?,
        destination: stored.destination,
        attempts: attempts(reader, stored.attempts)?,
        challenge: stored.challenge.map(|stored| challenge(reader, stored)).transpose()?,
    })
}

fn challenge(reader: &Reader<'_>, stored: ChallengeDocument) -> Result<Challenge, MongodbError> {
    Ok(Challenge {
        id: ChallengeId::parse(&stored.id).ok_or_else(|| reader.corrupt("challenge"))?,
        digest: CodeDigest(reader.bytes(stored.digest)?),
        revision: stored.revision,
        purpose: Purpose::parse(&stored.purpose).ok_or_else(|| reader.corrupt("purpose"))?,
        client: reader.parse(stored.client, ClientId::parse)?,
        attempts: stored.attempts,
        is_exhaustion_reported: stored.is_exhaustion_reported,
        expires_at: reader.time(stored.expires_at)?,
    })
}
