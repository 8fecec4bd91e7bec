use domain::factors::{Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, Purpose};
use domain::ids::{ClientId, ContactId};
use serde::{Deserialize, Serialize};

use crate::{Corrupt, Encoding};

/// The stored form of the codes of one contact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub(super) struct ContactCodesForm<E: Encoding> {
    contact: String,
    destination: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<AttemptsForm<E>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<ChallengeForm<E>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub(super) struct AttemptsForm<E: Encoding> {
    used: u32,
    end_at: E::Time,
    #[serde(rename = "told")]
    is_exhaustion_reported: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct ChallengeForm<E: Encoding> {
    id: String,
    digest: E::Bytes,
    revision: u64,
    purpose: String,
    client: String,
    attempts: u32,
    #[serde(rename = "told")]
    is_exhaustion_reported: bool,
    expires_at: E::Time,
}

impl<E: Encoding> AttemptsForm<E> {
    /// Returns the stored form, or `None` if no window has begun; then nothing is stored.
    pub(super) fn of(attempts: &Attempts) -> Option<Self> {
        (*attempts != Attempts::ZERO).then(|| Self {
            used: attempts.used,
            end_at: E::time(attempts.ends_at),
            is_exhaustion_reported: attempts.is_exhaustion_reported,
        })
    }

    pub(super) fn read(stored: Option<Self>) -> Result<Attempts, Corrupt> {
        let Some(stored) = stored else {
            return Ok(Attempts::ZERO);
        };
        Ok(Attempts {
            used: stored.used,
            ends_at: E::read_time(&stored.end_at)?,
            is_exhaustion_reported: stored.is_exhaustion_reported,
        })
    }
}

impl<E: Encoding> ContactCodesForm<E> {
    pub(super) fn of(codes: &ContactCodes) -> Self {
        Self {
            contact: codes.contact.to_string(),
            destination: codes.destination.clone(),
            attempts: AttemptsForm::of(&codes.attempts),
            challenge: codes.challenge.as_ref().map(ChallengeForm::of),
        }
    }

    pub(super) fn read(self) -> Result<ContactCodes, Corrupt> {
        Ok(ContactCodes {
            contact: ContactId::parse(self.contact)?,
            destination: self.destination,
            attempts: AttemptsForm::read(self.attempts)?,
            challenge: self.challenge.map(ChallengeForm::read).transpose()?,
        })
    }
}

impl<E: Encoding> ChallengeForm<E> {
    fn of(challenge: &Challenge) -> Self {
        Self {
            id: challenge.id.as_str().to_owned(),
            digest: E::bytes(&challenge.digest.0),
            revision: challenge.revision,
            purpose: challenge.purpose.as_str().to_owned(),
            client: challenge.client.to_string(),
            attempts: challenge.attempts,
            is_exhaustion_reported: challenge.is_exhaustion_reported,
            expires_at: E::time(challenge.expires_at),
        }
    }

    fn read(self) -> Result<Challenge, Corrupt> {
        Ok(Challenge {
            id: ChallengeId::parse(&self.id).ok_or_else(|| Corrupt::member("challenge"))?,
            digest: CodeDigest(E::read_bytes(&self.digest)?),
            revision: self.revision,
            purpose: Purpose::parse(&self.purpose).ok_or_else(|| Corrupt::member("purpose"))?,
            client: ClientId::parse(self.client)?,
            attempts: self.attempts,
            is_exhaustion_reported: self.is_exhaustion_reported,
            expires_at: E::read_time(&self.expires_at)?,
        })
    }
}
