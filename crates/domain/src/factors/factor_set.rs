use super::{Attempts, ContactCodes};
use crate::contact::{ContactType, ContactValue, Email, Mobile};
use crate::identity::{CredentialContact, Identity};
use crate::ids::{ContactId, UserId};
use crate::time::Timestamp;

/// How many alternative contacts one user may have.
pub const MAX_ALTERNATIVE_CONTACTS: usize = 10;

/// The one tag the documentation knows.
pub const MARKED_RESOURCES: &str = "MARKED_RESOURCES";

/// A mobile number as a caller wrote it.
#[derive(Clone, Default)]
pub struct MobileDraft {
    pub region_code: Option<String>,
    pub area_code: Option<String>,
    pub phone_number: Option<String>,
}

/// A contact as a caller wrote it: readable, its rules not yet judged.
#[derive(Clone)]
pub struct ContactDraft {
    pub id: ContactId,
    pub contact_type: ContactType,
    pub email: Option<String>,
    pub mobile: Option<MobileDraft>,
    pub tags: Vec<String>,
}

impl ContactDraft {
    /// Whether it carries the one tag there is.
    pub(super) fn is_marked(&self) -> Result<bool, ContactRuleViolation> {
        if self.tags.iter().all(|tag| tag == MARKED_RESOURCES) {
            Ok(!self.tags.is_empty())
        } else {
            Err(ContactRuleViolation::UnknownTag)
        }
    }

    /// The value of the drafted type; the field of the other type is ignored.
    pub(super) fn value(&self) -> Result<ContactValue, ContactRuleViolation> {
        match self.contact_type {
            ContactType::Email => {
                let email = self.email.as_deref().ok_or(ContactRuleViolation::NotAnEmail)?;
                Email::parse(email)
                    .map(ContactValue::Email)
                    .map_err(|_| ContactRuleViolation::NotAnEmail)
            }
            ContactType::Mobile => {
                let mobile = self.mobile.as_ref().ok_or(ContactRuleViolation::NotAMobile)?;
                let (Some(region), Some(number)) = (&mobile.region_code, &mobile.phone_number) else {
                    return Err(ContactRuleViolation::NotAMobile);
                };
                Mobile::parse(region, mobile.area_code.as_deref(), number)
                    .map(ContactValue::Mobile)
                    .map_err(|_| ContactRuleViolation::NotAMobile)
            }
        }
    }
}

/// The tags of a contact, as they are written.
pub(super) fn tags_of(marked: bool) -> Vec<String> {
    marked.then(|| MARKED_RESOURCES.to_owned()).into_iter().collect()
}

/// Why a contact is not added or changed. Judged in the order of the variants; the first that fails is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactRuleViolation {
    #[error("the contact is a credential and cannot be changed here")]
    IsCredential,
    #[error("the contact is of the same type as the user's main contact")]
    SameTypeAsMain,
    #[error("email is not a valid e-mail address, or is missing")]
    NotAnEmail,
    #[error("mobile is not a valid mobile number, or is missing")]
    NotAMobile,
    #[error("a tag is not known; the only tag is MARKED_RESOURCES")]
    UnknownTag,
    #[error("the contact's id or value is already registered")]
    AlreadyRegistered,
    #[error("a user has at most 10 alternative contacts")]
    TooMany,
}

/// A contact beside those the user logs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlternativeContact {
    pub id: ContactId,
    pub value: ContactValue,
    /// Carries the tag `MARKED_RESOURCES`.
    pub is_marked: bool,
    /// Possession was shown, or another than the user vouched for it.
    pub is_verified: bool,
    /// Raised by every change of the value, so that a code for an old value verifies nothing.
    pub revision: u64,
    pub added_at: Timestamp,
}

/// What adding a contact did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// Stored; `untagged` names the contact that lost its tag to it.
    Stored { untagged: Option<ContactId> },
    /// The same contact was there already: the caller retried.
    AlreadyThere,
}

/// The alternative contacts of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorSet {
    pub user: UserId,
    /// Version of the stored form; 0 while nothing is stored.
    pub version: u64,
    /// By time added.
    pub contacts: Vec<AlternativeContact>,
    /// The contact picked as default; `None` means the main contact.
    pub chosen_default: Option<ContactId>,
    /// The codes sent to its contacts and to those the user logs in with.
    pub codes: Vec<ContactCodes>,
    /// Of the user, across contacts.
    pub attempts: Attempts,
}

impl FactorSet {
    /// The set of a user who has added nothing.
    pub fn empty(user: UserId) -> Self {
        Self {
            user,
            version: 0,
            contacts: Vec::new(),
            chosen_default: None,
            codes: Vec::new(),
            attempts: Attempts::ZERO,
        }
    }

    pub fn contact(&self, id: &ContactId) -> Option<&AlternativeContact> {
        self.contacts.iter().find(|contact| contact.id == *id)
    }

    /// Drops the alternative contacts whose id or value has become that of a contact the user logs in with, which then
    /// is the default where they were: no id and no value is told twice, and codes go to the credential. Attempts stay
    /// counted. A default that is no contact any more is forgotten, so that no later contact of its id takes its place.
    /// To be done wherever a set and its owner are put together; the next edit stores it, and nobody is told.
    pub fn drop_credentials(&mut self, owner: &Identity) {
        let credentials = owner.credential_contacts();
        for credential in &credentials {
            let key = credential.value.comparison_key();
            let dropped: Vec<_> = self
                .contacts
                .extract_if(.., |contact| {
                    contact.id == credential.id || contact.value.comparison_key() == key
                })
                .collect();
            for contact in dropped {
                self.end_challenge(&contact.id);
                if self.chosen_default.as_ref() == Some(&contact.id) {
                    self.chosen_default = Some(credential.id.clone());
                }
            }
        }
        let is_there = |id: &ContactId| self.contact(id).is_some() || credentials.iter().any(|own| own.id == *id);
        if !self.chosen_default.as_ref().is_none_or(is_there) {
            self.chosen_default = None;
        }
    }

    /// Adds one contact by the rules of the documentation's "Add alternative contacts", judged in the order of
    /// [`Refusal`]. A tag it carries is taken from the other contact of its type.
    ///
    /// # Errors
    ///
    /// The first rule that the draft breaks; the set is then as it was.
    pub fn add(
        &mut self,
        owner: &Identity,
        draft: &ContactDraft,
        verified: bool,
        now: Timestamp,
    ) -> Result<Added, ContactRuleViolation> {
        let credentials = owner.credential_contacts();
        if credentials.iter().any(|contact| contact.id == draft.id) {
            return Err(ContactRuleViolation::IsCredential);
        }
        if draft.contact_type == owner.main_contact_type {
            return Err(ContactRuleViolation::SameTypeAsMain);
        }
        let value = draft.value()?;
        let marked = draft.is_marked()?;
        if let Some(same_id) = self.contact(&draft.id) {
            let repeated = same_id.value.comparison_key() == value.comparison_key();
            return if repeated {
                Ok(Added::AlreadyThere)
            } else {
                Err(ContactRuleViolation::AlreadyRegistered)
            };
        }
        if self.holds(&credentials, &value, &draft.id) {
            return Err(ContactRuleViolation::AlreadyRegistered);
        }
        if self.contacts.len() >= MAX_ALTERNATIVE_CONTACTS {
            return Err(ContactRuleViolation::TooMany);
        }
        let untagged = if marked {
            self.take_tag(draft.contact_type)
        } else {
            None
        };
        self.contacts.push(AlternativeContact {
            id: draft.id.clone(),
            value,
            is_marked: marked,
            is_verified: verified,
            revision: 1,
            added_at: now,
        });
        Ok(Added::Stored { untagged })
    }

    /// Whether the user has the value already, under another id than `but`.
    pub(super) fn holds(&self, credentials: &[CredentialContact], value: &ContactValue, but: &ContactId) -> bool {
        let key = value.comparison_key();
        let credentials = credentials.iter().map(|contact| (&contact.id, &contact.value));
        let others = self.contacts.iter().map(|contact| (&contact.id, &contact.value));
        credentials
            .chain(others)
            .any(|(id, held)| id != but && held.comparison_key() == key)
    }

    pub(super) fn take_tag(&mut self, contact_type: ContactType) -> Option<ContactId> {
        let holder = self
            .contacts
            .iter_mut()
            .find(|contact| contact.is_marked && contact.value.contact_type() == contact_type)?;
        holder.is_marked = false;
        Some(holder.id.clone())
    }

    /// The one default contact: the chosen one while it exists, else the main contact.
    pub fn default_contact<'a>(&'a self, credentials: &'a [CredentialContact]) -> Option<&'a ContactId> {
        self.chosen_default
            .as_ref()
            .filter(|id| self.contact(id).is_some() || credentials.iter().any(|contact| contact.id == **id))
            .or_else(|| credentials.first().map(|contact| &contact.id))
    }
}

#[cfg(test)]
mod tests;
