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
        })
    }
}
