use domain::factors::{AlternativeContact, FactorSet};
use domain::ids::{ContactId, UserId};
use serde::{Deserialize, Serialize};

use super::codes::{AttemptsForm, ContactCodesForm};
use crate::contact::ContactValueForm;
use crate::{Corrupt, Encoding, StoredForm};

/// A stored factor set.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub struct FactorSetForm<E: Encoding> {
    version: u64,
    contacts: Vec<ContactForm<E>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chosen_default: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    codes: Vec<ContactCodesForm<E>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<AttemptsForm<E>>,
    /// Absent unless a removed user had the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_epoch: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct ContactForm<E: Encoding> {
    id: String,
    value: ContactValueForm,
    marked: bool,
    verified: bool,
    revision: u64,
    added_at: E::Time,
}

impl<E: Encoding> ContactForm<E> {
    fn of(contact: &AlternativeContact) -> Self {
        Self {
            id: contact.id.to_string(),
            value: (&contact.value).into(),
            marked: contact.is_marked,
            verified: contact.is_verified,
            revision: contact.revision,
            added_at: E::time(contact.added_at),
        }
    }

    fn read(self) -> Result<AlternativeContact, Corrupt> {
        Ok(AlternativeContact {
            id: ContactId::parse(self.id)?,
            value: self.value.read()?,
            is_marked: self.marked,
            is_verified: self.verified,
            revision: self.revision,
            added_at: E::read_time(&self.added_at)?,
        })
    }
}

impl<E: Encoding> StoredForm<E> for FactorSetForm<E> {
    type Of = FactorSet;

    fn of(set: &FactorSet, version: u64) -> Self {
        Self {
            version,
            contacts: set.contacts.iter().map(ContactForm::of).collect(),
            chosen_default: set.chosen_default.as_ref().map(ToString::to_string),
            codes: set.codes.iter().map(ContactCodesForm::of).collect(),
            attempts: AttemptsForm::of(&set.attempts),
            first_epoch: (set.first_epoch > 0).then_some(set.first_epoch),
        }
    }

    fn read(self, key: &str) -> Result<FactorSet, Corrupt> {
        Ok(FactorSet {
            user: UserId::parse(key)?,
            version: self.version,
            contacts: self
                .contacts
                .into_iter()
                .map(ContactForm::read)
                .collect::<Result<_, _>>()?,
            chosen_default: self.chosen_default.map(ContactId::parse).transpose()?,
            codes: self
                .codes
                .into_iter()
                .map(ContactCodesForm::read)
                .collect::<Result<_, _>>()?,
            attempts: AttemptsForm::read(self.attempts)?,
            first_epoch: self.first_epoch.unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::contact::{ContactValue, Email, Mobile};
    use domain::factors::{AlternativeContact, Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, Purpose};
    use domain::ids::ClientId;
    use domain::time::Timestamp;

    use super::*;
    use crate::Json;

    fn read(stored: &str) -> FactorSet {
        let form: FactorSetForm<Json> = serde_json::from_str(stored).unwrap();
        form.read("user-1").unwrap()
    }

    fn codes() -> ContactCodes {
        ContactCodes {
            contact: ContactId::parse("contact-1").unwrap(),
            destination: "ada@example.com".to_owned(),
            attempts: Attempts {
                used: 3,
                ends_at: Timestamp::UNIX_EPOCH,
                is_exhaustion_reported: false,
            },
            challenge: Some(Challenge {
                id: ChallengeId::from_random([1; 16]),
                digest: CodeDigest([7; 32]),
                revision: 2,
                purpose: Purpose::Verify,
                client: ClientId::parse("portal").unwrap(),
                attempts: 3,
                is_exhaustion_reported: false,
                expires_at: Timestamp::UNIX_EPOCH,
            }),
        }
    }

    #[test]
    fn stored_form_of_a_factor_set() {
        let contact = |id: &str, value| AlternativeContact {
            id: ContactId::parse(id).unwrap(),
            value,
            is_marked: true,
            is_verified: false,
            revision: 2,
            added_at: Timestamp::UNIX_EPOCH,
        };
        let set = FactorSet {
            contacts: vec![
                contact(
                    "contact-1",
                    ContactValue::Email(Email::parse("ada@example.com").unwrap()),
                ),
                contact(
                    "contact-2",
                    ContactValue::Mobile(Mobile::parse("351", None, "912345678").unwrap()),
                ),
            ],
            chosen_default: Some(ContactId::parse("contact-2").unwrap()),
            codes: vec![codes()],
            attempts: Attempts {
                used: 50,
                ends_at: Timestamp::UNIX_EPOCH,
                is_exhaustion_reported: true,
            },
            ..FactorSet::empty(UserId::parse("user-1").unwrap())
        };
        let stored = serde_json::to_string(&FactorSetForm::<Json>::of(&set, 1)).unwrap();
        insta::assert_snapshot!(stored, @r#"{"version":1,"contacts":[{"id":"contact-1","value":{"email":"ada@example.com"},"marked":true,"verified":false,"revision":2,"addedAt":0},{"id":"contact-2","value":{"mobile":{"region":"351","number":"912345678"}},"marked":true,"verified":false,"revision":2,"addedAt":0}],"chosenDefault":"contact-2","codes":[{"contact":"contact-1","destination":"ada@example.com","attempts":{"used":3,"endAt":0,"told":false},"challenge":{"id":"01010101010101010101010101010101","digest":"0707070707070707070707070707070707070707070707070707070707070707","revision":2,"purpose":"verify","client":"portal","attempts":3,"told":false,"expiresAt":0}}],"attempts":{"used":50,"endAt":0,"told":true}}"#);
        assert_eq!(read(&stored), FactorSet { version: 1, ..set });
    }

    #[test]
    fn stored_form_of_the_set_of_a_removed_user() {
        let set = FactorSet::empty(UserId::parse("user-1").unwrap()).after_removal(2);
        let stored = serde_json::to_string(&FactorSetForm::<Json>::of(&set, 1)).unwrap();
        insta::assert_snapshot!(stored, @r#"{"version":1,"contacts":[],"firstEpoch":2}"#);
        assert_eq!(read(&stored), FactorSet { version: 1, ..set });
    }

    #[test]
    fn older_stored_sets_are_read_without_codes() {
        let expected = FactorSet {
            version: 3,
            ..FactorSet::empty(UserId::parse("user-1").unwrap())
        };
        assert_eq!(read(r#"{ "version": 3, "contacts": [] }"#), expected);
    }
}
