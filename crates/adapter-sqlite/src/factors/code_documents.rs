use domain::factors::{Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, Purpose};
use domain::ids::{ClientId, ContactId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::SqliteError;
use crate::row_codec::Reader;

/// The stored form of the codes of one contact.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactCodesDocument {
    contact: String,
    destination: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<AttemptsDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<ChallengeDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptsDocument {
    used: u32,
    /// Milliseconds since 1970.
    end_at: i64,
    #[serde(rename = "told")]
    is_exhaustion_reported: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeDocument {
    id: String,
    /// Hexadecimal.
    digest: String,
    revision: u64,
    purpose: String,
    client: String,
    attempts: u32,
    #[serde(rename = "told")]
    is_exhaustion_reported: bool,
    /// Milliseconds since 1970.
    expires_at: i64,
}

impl AttemptsDocument {
    /// Returns the stored form, or `None` if no window has begun; then nothing is stored.
    pub(super) fn from_attempts(attempts: &Attempts) -> Option<Self> {
        (*attempts != Attempts::ZERO).then(|| Self {
            used: attempts.used,
            end_at: attempts.ends_at.as_millisecond(),
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
            digest: domain::hex::encode(&challenge.digest.0),
            revision: challenge.revision,
            purpose: challenge.purpose.as_str().to_owned(),
            client: challenge.client.to_string(),
            attempts: challenge.attempts,
            is_exhaustion_reported: challenge.is_exhaustion_reported,
            expires_at: challenge.expires_at.as_millisecond(),
        }
    }
}

pub(super) fn attempts(row: &Reader<'_, '_>, stored: Option<AttemptsDocument>) -> Result<Attempts, SqliteError> {
    let Some(stored) = stored else {
        return Ok(Attempts::ZERO);
    };
    Ok(Attempts {
        used: stored.used,
        ends_at: Timestamp::from_millisecond(stored.end_at).map_err(|error| row.corrupt(error))?,
        is_exhaustion_reported: stored.is_exhaustion_reported,
    })
}

pub(super) fn contact_codes(row: &Reader<'_, '_>, stored: ContactCodesDocument) -> Result<ContactCodes, SqliteError> {
    Ok(ContactCodes {
        contact: ContactId::parse(stored.contact).map_err(|error| row.corrupt(error))?,
        destination: stored.destination,
        attempts: attempts(row, stored.attempts)?,
        challenge: stored.challenge.map(|stored| challenge(row, stored)).transpose()?,
    })
}

fn challenge(row: &Reader<'_, '_>, stored: ChallengeDocument) -> Result<Challenge, SqliteError> {
    let digest = domain::hex::decode(&stored.digest).ok_or_else(|| row.corrupt("digest"))?;
    Ok(Challenge {
        id: ChallengeId::parse(&stored.id).ok_or_else(|| row.corrupt("challenge"))?,
        digest: CodeDigest(digest),
        revision: stored.revision,
        purpose: Purpose::parse(&stored.purpose).ok_or_else(|| row.corrupt("purpose"))?,
        client: ClientId::parse(stored.client).map_err(|error| row.corrupt(error))?,
        attempts: stored.attempts,
        is_exhaustion_reported: stored.is_exhaustion_reported,
        expires_at: Timestamp::from_millisecond(stored.expires_at).map_err(|error| row.corrupt(error))?,
    })
}
