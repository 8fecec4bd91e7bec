use super::{Attempts, ContactCodes};
use crate::contact::{ContactType, ContactValue, Email, Mobile};
use crate::identity::{CredentialContact, Identity};
use crate::ids::{ContactId, UserId};
use crate::time::Timestamp;

/// The maximum number of alternative contacts of one user. The set is one document, which is read and written as a
/// whole.
pub const MAX_ALTERNATIVE_CONTACTS: usize = 10;

/// The only tag of the documented API. At most one e-mail address and one mobile number of a user have it.
pub const MARKED_RESOURCES: &str = "MARKED_RESOURCES";

/// A mobile number as a caller sent it, not yet validated.
#[derive(Clone, Default)]
pub struct MobileDraft {
    /// Required for a valid number.
    pub region_code: Option<String>,
    /// Required in region 55 only.
    pub area_code: Option<String>,
    /// Required for a valid number.
    pub phone_number: Option<String>,
}

/// A contact as a caller sent it: parsed, but not yet checked against the rules.
#[derive(Clone)]
pub struct ContactDraft {
    /// Chosen by the caller.
    pub id: ContactId,
    /// Decides which of `email` and `mobile` is read.
    pub contact_type: ContactType,
    /// Ignored for a mobile number.
    pub email: Option<String>,
    /// Ignored for an e-mail address.
    pub mobile: Option<MobileDraft>,
    /// Any tag other than [`MARKED_RESOURCES`] breaks a rule.
    pub tags: Vec<String>,
}

impl ContactDraft {
    /// Returns whether the draft has the tag.
    pub(super) fn is_marked(&self) -> Result<bool, ContactRuleViolation> {
        if self.tags.iter().all(|tag| tag == MARKED_RESOURCES) {
            Ok(!self.tags.is_empty())
        } else {
            Err(ContactRuleViolation::UnknownTag)
        }
    }

    /// Parses the value of the drafted type and ignores the field of the other type.
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

/// Returns the tags in the form of the member `tags`.
pub(super) fn tags_of(is_marked: bool) -> Vec<String> {
    is_marked.then(|| MARKED_RESOURCES.to_owned()).into_iter().collect()
}

/// The rule that an addition or change of a contact breaks. Rules are checked in the order of the variants, which is
/// the order of the documented API, and the first broken rule is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactRuleViolation {
    /// Code 12: the account service manages the contacts that the user logs in with.
    #[error("the contact is a credential and cannot be changed here")]
    IsCredential,
    /// Code 06: an alternative contact must be of the other type than the main contact.
    #[error("the contact is of the same type as the user's main contact")]
    SameTypeAsMain,
    /// Code 08.
    #[error("email is not a valid e-mail address, or is missing")]
    NotAnEmail,
    /// Code 09.
    #[error("mobile is not a valid mobile number, or is missing")]
    NotAMobile,
    /// Code 10.
    #[error("a tag is not known; the only tag is MARKED_RESOURCES")]
    UnknownTag,
    /// Code 07: ids and values are unique within one user, credential contacts included.
    #[error("the contact's id or value is already registered")]
    AlreadyRegistered,
    /// Code 11.
    #[error("a user has at most 10 alternative contacts")]
    TooMany,
}

/// A contact that the user does not log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlternativeContact {
    /// Chosen by the caller that added it; unique among the user's contacts.
    pub id: ContactId,
    /// Unique among the user's contacts by its comparison key.
    pub value: ContactValue,
    /// The contact has the tag `MARKED_RESOURCES`.
    pub is_marked: bool,
    /// The user proved possession, or the caller that set the value vouched for it.
    pub is_verified: bool,
    /// Raised by every change of the value, so that a code for an old value verifies nothing.
    pub revision: u64,
    /// The time of the addition; a change of the value keeps it.
    pub added_at: Timestamp,
}

/// The outcome of adding a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// The contact is in the set.
    Stored {
        /// The contact that lost the tag to the new one.
        untagged: Option<ContactId>,
    },
    /// The same contact exists already, because the caller repeated the request. Nothing changed, not even the tags.
    AlreadyStored,
}

/// The factor set of one user, an aggregate: the alternative contacts, the default, and the codes and attempts of all
/// contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorSet {
    /// The key of the aggregate.
    pub user: UserId,
    /// The version of the stored form, raised by every save; 0 while nothing is stored.
    pub version: u64,
    /// The alternative contacts in the order of their `added_at`, at most [`MAX_ALTERNATIVE_CONTACTS`].
    pub contacts: Vec<AlternativeContact>,
    /// The contact that was chosen as the default; `None` for the main contact.
    pub chosen_default: Option<ContactId>,
    /// Codes sent to alternative and credential contacts.
    pub codes: Vec<ContactCodes>,
    /// Attempts of the user across contacts.
    pub attempts: Attempts,
    /// The epoch of the first tokens of this user; lower ones were issued to a removed user who had the same id.
    pub first_epoch: u64,
}

impl FactorSet {
    /// Returns the set of a user who has added no contact and tried no code.
    pub fn empty(user: UserId) -> Self {
        Self {
            user,
            version: 0,
            contacts: Vec::new(),
            chosen_default: None,
            codes: Vec::new(),
            attempts: Attempts::ZERO,
            first_epoch: 0,
        }
    }

    /// Returns the set after the removal of its user: empty, under the same version, so that it can be saved. `epoch` is
    /// the one that the removal raised. The set stays stored, because an edit that was decided before must conflict with
    /// it, and because the sequence of its events must not begin anew.
    #[must_use]
    pub fn after_removal(&self, epoch: u64) -> Self {
        Self {
            version: self.version,
            first_epoch: epoch,
            ..Self::empty(self.user.clone())
        }
    }

    /// Returns whether the set belongs to the user of a token with this epoch, and not to a later user of the same id.
    pub fn belongs_to(&self, epoch: u64) -> bool {
        epoch >= self.first_epoch
    }

    /// Returns the alternative contact with this id. A credential contact is not found.
    pub fn contact(&self, id: &ContactId) -> Option<&AlternativeContact> {
        self.contacts.iter().find(|contact| contact.id == *id)
    }

    /// Removes the alternative contacts whose id or value is now that of a credential contact. So no id or value is
    /// listed twice, and codes go to the credential contact. If a removed contact was the default, the credential
    /// contact becomes the default. Attempts stay counted. A default that no longer exists is cleared, so that a later
    /// contact with its id does not become the default.
    ///
    /// Called wherever a set and its owner are read together. The next change stores the result; there is no event.
    pub fn remove_credential_duplicates(&mut self, owner: &Identity) {
        let credentials = owner.credential_contacts();
        for credential in &credentials {
            let key = credential.value.comparison_key();
            let replaced: Vec<_> = self
                .contacts
                .extract_if(.., |contact| {
                    contact.id == credential.id || contact.value.comparison_key() == key
                })
                .collect();
            for contact in replaced {
                self.end_challenge(&contact.id);
                if self.chosen_default.as_ref() == Some(&contact.id) {
                    self.chosen_default = Some(credential.id.clone());
                }
            }
        }
        let exists = |id: &ContactId| self.contact(id).is_some() || credentials.iter().any(|own| own.id == *id);
        if !self.chosen_default.as_ref().is_none_or(exists) {
            self.chosen_default = None;
        }
    }

    /// Adds one contact by the rules of the documented API (`addContacts`). If it is tagged, the other contact of the
    /// type that has the tag loses it. The contact counts as verified if `is_vouched`: the caller vouched for it.
    ///
    /// # Errors
    ///
    /// Returns the first rule that the draft breaks, in the order of [`ContactRuleViolation`]. An error leaves the set
    /// unchanged.
    pub fn add(
        &mut self,
        owner: &Identity,
        draft: &ContactDraft,
        is_vouched: bool,
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
        let is_marked = draft.is_marked()?;
        if let Some(same_id) = self.contact(&draft.id) {
            let is_retry = same_id.value.comparison_key() == value.comparison_key();
            return if is_retry {
                Ok(Added::AlreadyStored)
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
        let untagged = if is_marked {
            self.take_tag(draft.contact_type)
        } else {
            None
        };
        self.contacts.push(AlternativeContact {
            id: draft.id.clone(),
            value,
            is_marked,
            is_verified: is_vouched,
            revision: 1,
            added_at: now,
        });
        Ok(Added::Stored { untagged })
    }

    /// Returns whether the user already has the value under an id other than `except`.
    pub(super) fn holds(&self, credentials: &[CredentialContact], value: &ContactValue, except: &ContactId) -> bool {
        let key = value.comparison_key();
        let credentials = credentials.iter().map(|contact| (&contact.id, &contact.value));
        let others = self.contacts.iter().map(|contact| (&contact.id, &contact.value));
        credentials
            .chain(others)
            .any(|(id, held)| id != except && held.comparison_key() == key)
    }

    /// Removes the tag from the contact of this type that has it, and returns that contact's id.
    pub(super) fn take_tag(&mut self, contact_type: ContactType) -> Option<ContactId> {
        let holder = self
            .contacts
            .iter_mut()
            .find(|contact| contact.is_marked && contact.value.contact_type() == contact_type)?;
        holder.is_marked = false;
        Some(holder.id.clone())
    }

    /// Returns the default contact: the chosen one while it exists, otherwise the main contact.
    pub fn default_contact<'a>(&'a self, credentials: &'a [CredentialContact]) -> Option<&'a ContactId> {
        self.chosen_default
            .as_ref()
            .filter(|id| self.contact(id).is_some() || credentials.iter().any(|contact| contact.id == **id))
            .or_else(|| credentials.first().map(|contact| &contact.id))
    }
}

#[cfg(test)]
mod tests;
