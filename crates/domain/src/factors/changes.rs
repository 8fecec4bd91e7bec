//! Changing and removing contacts.

use super::{AlternativeContact, ContactDraft, ContactRuleViolation, FactorSet, MobileDraft, OwnContact, tags_of};
use crate::contact::{ContactType, ContactValue};
use crate::identity::Identity;
use crate::ids::ContactId;

/// A JSON merge patch (RFC 7396) of one member: kept when absent, removed by `null`, else put in its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    #[default]
    Keep,
    Remove,
    Put(T),
}

impl<T> Patch<T> {
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    const fn is_put(&self) -> bool {
        matches!(self, Self::Put(_))
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Remove => Patch::Remove,
            Self::Put(value) => Patch::Put(change(value)),
        }
    }

    /// What is there after the patch, where `kept` was before it.
    fn over(self, kept: Option<T>) -> Option<T> {
        match self {
            Self::Keep => kept,
            Self::Remove => None,
            Self::Put(value) => Some(value),
        }
    }
}

/// A merge patch of a mobile number.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MobilePatch {
    pub region_code: Patch<String>,
    pub area_code: Patch<String>,
    pub phone_number: Patch<String>,
}

/// A merge patch of a contact as a caller wrote it: readable, its rules not yet judged.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ContactPatch {
    pub email: Patch<String>,
    pub mobile: Patch<MobilePatch>,
    pub tags: Patch<Vec<String>>,
    pub default: Patch<bool>,
}

/// Why a contact is not changed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactChangeError {
    #[error("the user has no such contact")]
    NotFound,
    #[error(transparent)]
    RuleViolation(#[from] ContactRuleViolation),
}

/// The contacts that are now other than they were, in the order in which that is told. Empty when nothing changed.
pub type ChangedContacts = Vec<ContactId>;

impl FactorSet {
    /// The contact of this id as it is told, one the user logs in with or another.
    pub fn view_of(&self, owner: &Identity, id: &ContactId) -> Option<OwnContact> {
        let all = super::own_contacts(owner, self, super::Visibility::Unrestricted);
        all.into_iter().find(|contact| contact.id == *id)
    }

    /// Puts the drafted value and tags in the place of a contact's own. A tag it carries is taken from the other
    /// contact of its type. A changed value is verified when it is vouched for, and ends the code under way.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, in the order of [`Refusal`]; the set is then as it was.
    pub fn replace(
        &mut self,
        owner: &Identity,
        draft: &ContactDraft,
        vouched: bool,
    ) -> Result<ChangedContacts, ContactChangeError> {
        let current = self.changeable(owner, &draft.id)?.clone();
        let contact_type = draft.contact_type;
        if contact_type == owner.main_contact_type && contact_type != current.value.contact_type() {
            return Err(ContactRuleViolation::SameTypeAsMain.into());
        }
        let value = draft.value()?;
        let marked = draft.is_marked()?;
        if self.holds(&owner.credential_contacts(), &value, &draft.id) {
            return Err(ContactRuleViolation::AlreadyRegistered.into());
        }
        if value == current.value && marked == current.is_marked {
            return Ok(ChangedContacts::new());
        }
        let untagged = if marked { self.take_tag(contact_type) } else { None };
        let mut changed: ChangedContacts = untagged.into_iter().filter(|id| *id != draft.id).collect();
        if value != current.value {
            self.end_challenge(&draft.id);
        }
        if let Some(contact) = self.contacts.iter_mut().find(|contact| contact.id == draft.id) {
            if value != contact.value {
                contact.revision += 1;
                contact.is_verified = vouched;
                contact.value = value;
            }
            contact.is_marked = marked;
        }
        changed.push(draft.id.clone());
        Ok(changed)
    }

    /// Applies a merge patch. Of a contact the user logs in with, only whether it is the default can be patched; of any
    /// other, the value of its own type, the tags, and whether it is the default. `default` false, or removed, on the
    /// contact that is the default makes the main contact the default again.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace); a value of the other type is not valid here.
    pub fn patch(
        &mut self,
        owner: &Identity,
        id: &ContactId,
        patch: ContactPatch,
        vouched: bool,
    ) -> Result<ChangedContacts, ContactChangeError> {
        let ContactPatch {
            email,
            mobile,
            tags,
            default,
        } = patch;
        let mut changed = if email.is_keep() && mobile.is_keep() && tags.is_keep() {
            self.view_of(owner, id).ok_or(ContactChangeError::NotFound)?;
            ChangedContacts::new()
        } else {
            let contact = self.changeable(owner, id)?;
            let (puts_email, puts_mobile) = (email.is_put(), mobile.is_put());
            let draft = patched(contact, email, mobile, tags);
            match draft.contact_type {
                ContactType::Email if puts_mobile => {
                    draft.value()?;
                    return Err(ContactRuleViolation::NotAMobile.into());
                }
                ContactType::Mobile if puts_email => return Err(ContactRuleViolation::NotAnEmail.into()),
                ContactType::Email | ContactType::Mobile => {}
            }
            self.replace(owner, &draft, vouched)?
        };
        let was = self.default_id(owner);
        match default {
            Patch::Put(true) => self.chosen_default = Some(id.clone()),
            Patch::Put(false) | Patch::Remove if was.as_ref() == Some(id) => self.chosen_default = None,
            Patch::Keep | Patch::Put(false) | Patch::Remove => {}
        }
        self.note_default_change(owner, was, &mut changed);
        Ok(changed)
    }

    /// Removes a contact, and says what it was and which others are now other than they were. Its attempts stay
    /// counted. When it was the default, the main contact is again.
    ///
    /// # Errors
    ///
    /// [`Refusal::IsCredential`] for a contact the user logs in with; the set is then as it was.
    pub fn remove(
        &mut self,
        owner: &Identity,
        id: &ContactId,
    ) -> Result<(OwnContact, ChangedContacts), ContactChangeError> {
        self.changeable(owner, id)?;
        let removed = self.view_of(owner, id).ok_or(ContactChangeError::NotFound)?;
        let was = self.default_id(owner);
        self.contacts.retain(|contact| contact.id != *id);
        self.end_challenge(id);
        if self.chosen_default.as_ref() == Some(id) {
            self.chosen_default = None;
        }
        let mut changed = ChangedContacts::new();
        self.note_default_change(owner, was, &mut changed);
        changed.retain(|changed| changed != id);
        Ok((removed, changed))
    }

    fn changeable(&self, owner: &Identity, id: &ContactId) -> Result<&AlternativeContact, ContactChangeError> {
        if owner.credential_contacts().iter().any(|contact| contact.id == *id) {
            return Err(ContactRuleViolation::IsCredential.into());
        }
        self.contact(id).ok_or(ContactChangeError::NotFound)
    }

    fn default_id(&self, owner: &Identity) -> Option<ContactId> {
        self.default_contact(&owner.credential_contacts()).cloned()
    }

    /// When another contact is the default than was, both are told.
    fn note_default_change(&self, owner: &Identity, was: Option<ContactId>, changed: &mut ChangedContacts) {
        let is = self.default_id(owner);
        if is == was {
            return;
        }
        for id in [was, is].into_iter().flatten() {
            if !changed.contains(&id) {
                changed.push(id);
            }
        }
    }
}

/// The contact as it would be after the patch.
fn patched(
    contact: &AlternativeContact,
    email: Patch<String>,
    mobile: Patch<MobilePatch>,
    tags: Patch<Vec<String>>,
) -> ContactDraft {
    let (held_email, held_mobile) = match &contact.value {
        ContactValue::Email(email) => (Some(email.as_str().to_owned()), None),
        ContactValue::Mobile(mobile) => {
            let draft = MobileDraft {
                region_code: Some(mobile.region().to_owned()),
                area_code: mobile.area().map(str::to_owned),
                phone_number: Some(mobile.number().to_owned()),
            };
            (None, Some(draft))
        }
    };
    let mobile = match mobile {
        Patch::Keep => held_mobile,
        Patch::Remove => None,
        Patch::Put(patch) => {
            let held = held_mobile.unwrap_or_default();
            Some(MobileDraft {
                region_code: patch.region_code.over(held.region_code),
                area_code: patch.area_code.over(held.area_code),
                phone_number: patch.phone_number.over(held.phone_number),
            })
        }
    };
    ContactDraft {
        id: contact.id.clone(),
        contact_type: contact.value.contact_type(),
        email: email.over(held_email),
        mobile,
        tags: tags.over(Some(tags_of(contact.is_marked))).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
