//! Changing and removing contacts.

use super::{AlternativeContact, ContactDraft, ContactRuleViolation, FactorSet, MobileDraft, OwnContact, tags_of};
use crate::contact::{ContactType, ContactValue};
use crate::identity::Identity;
use crate::ids::ContactId;

/// A JSON merge patch (RFC 7396) of one member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// The member is absent.
    #[default]
    Keep,
    /// The member is `null`.
    Remove,
    /// The member has a value, which replaces the stored one.
    Put(T),
}

impl<T> Patch<T> {
    /// Returns whether the member was absent.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    const fn is_put(&self) -> bool {
        matches!(self, Self::Put(_))
    }

    /// Applies `change` to the value of [`Patch::Put`].
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Remove => Patch::Remove,
            Self::Put(value) => Patch::Put(change(value)),
        }
    }

    /// Returns the member after the patch. `stored` is its value before the patch.
    fn apply(self, stored: Option<T>) -> Option<T> {
        match self {
            Self::Keep => stored,
            Self::Remove => None,
            Self::Put(value) => Some(value),
        }
    }
}

/// A merge patch of a mobile number: RFC 7396 merges the members of the nested object one by one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MobilePatch {
    /// The number is invalid without it.
    pub region_code: Patch<String>,
    /// May be removed where the region allows it.
    pub area_code: Patch<String>,
    /// The number is invalid without it.
    pub phone_number: Patch<String>,
}

/// A merge patch of a contact as a caller sent it: parsed, but not yet checked against the rules.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ContactPatch {
    /// The address, for a contact of type `EMAIL` only.
    pub email: Patch<String>,
    /// The number, for a contact of type `MOBILE` only.
    pub mobile: Patch<MobilePatch>,
    /// Replaces all tags; an array is not merged.
    pub tags: Patch<Vec<String>>,
    /// Allowed for credential contacts too.
    pub default: Patch<bool>,
}

/// The reason why a contact is not changed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactChangeError {
    /// Neither an alternative nor a credential contact has the id.
    #[error("the user has no such contact")]
    NotFound,
    /// The change would break a rule.
    #[error(transparent)]
    RuleViolation(#[from] ContactRuleViolation),
}

/// The contacts that a change has altered, in the order of their events. Empty when nothing changed.
pub type ChangedContacts = Vec<ContactId>;

impl FactorSet {
    /// Returns the contact with this id, alternative or credential, in the form that the user sees.
    pub fn view_of(&self, owner: &Identity, id: &ContactId) -> Option<OwnContact> {
        let all = super::own_contacts(owner, self, crate::client::Visibility::Unrestricted);
        all.into_iter().find(|contact| contact.id == *id)
    }

    /// Replaces a contact's value and tags with those of the draft. If the draft is tagged, the other contact of the
    /// type that has the tag loses it. A changed value counts as verified if the caller vouched for it, and the
    /// contact's challenge is removed.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` for an unknown id, otherwise the first broken rule in the order of [`ContactRuleViolation`].
    /// An error leaves the set unchanged.
    pub fn replace(
        &mut self,
        owner: &Identity,
        draft: &ContactDraft,
        is_vouched: bool,
    ) -> Result<ChangedContacts, ContactChangeError> {
        let current = self.find_alternative(owner, &draft.id)?.clone();
        let contact_type = draft.contact_type;
        if contact_type == owner.main_contact_type && contact_type != current.value.contact_type() {
            return Err(ContactRuleViolation::SameTypeAsMain.into());
        }
        let value = draft.value()?;
        let is_marked = draft.is_marked()?;
        if self.holds(&owner.credential_contacts(), &value, &draft.id) {
            return Err(ContactRuleViolation::AlreadyRegistered.into());
        }
        if value == current.value && is_marked == current.is_marked {
            return Ok(ChangedContacts::new());
        }
        let untagged = if is_marked { self.take_tag(contact_type) } else { None };
        let mut changed: ChangedContacts = untagged.into_iter().filter(|id| *id != draft.id).collect();
        if value != current.value {
            self.end_challenge(&draft.id);
        }
        if let Some(contact) = self.contacts.iter_mut().find(|contact| contact.id == draft.id) {
            if value != contact.value {
                contact.revision += 1;
                contact.is_verified = is_vouched;
                contact.value = value;
            }
            contact.is_marked = is_marked;
        }
        changed.push(draft.id.clone());
        Ok(changed)
    }

    /// Applies a merge patch. A patch of a credential contact can change only `default`. A patch of an alternative
    /// contact can also change the tags and the value of its type. `default` false or `null` on the default contact
    /// makes the main contact the default again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`replace`](Self::replace), and `NotAnEmail` or `NotAMobile` for a value of the other
    /// type. An error leaves the set unchanged.
    pub fn patch(
        &mut self,
        owner: &Identity,
        id: &ContactId,
        patch: ContactPatch,
        is_vouched: bool,
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
            let contact = self.find_alternative(owner, id)?;
            let (puts_email, puts_mobile) = (email.is_put(), mobile.is_put());
            let draft = draft_after_patch(contact, email, mobile, tags);
            match draft.contact_type {
                ContactType::Email if puts_mobile => {
                    draft.value()?;
                    return Err(ContactRuleViolation::NotAMobile.into());
                }
                ContactType::Mobile if puts_email => return Err(ContactRuleViolation::NotAnEmail.into()),
                ContactType::Email | ContactType::Mobile => {}
            }
            self.replace(owner, &draft, is_vouched)?
        };
        let default_before = self.default_id(owner);
        match default {
            Patch::Put(true) => self.chosen_default = Some(id.clone()),
            Patch::Put(false) | Patch::Remove if default_before.as_ref() == Some(id) => self.chosen_default = None,
            Patch::Keep | Patch::Put(false) | Patch::Remove => {}
        }
        self.add_default_change(owner, default_before, &mut changed);
        Ok(changed)
    }

    /// Removes a contact. Returns the removed contact and the other contacts that changed: if it was the default, the
    /// main contact becomes the default again. The attempts of the removed contact stay counted.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` for an unknown id and [`ContactRuleViolation::IsCredential`] for a contact that the user logs
    /// in with. An error leaves the set unchanged.
    pub fn remove(
        &mut self,
        owner: &Identity,
        id: &ContactId,
    ) -> Result<(OwnContact, ChangedContacts), ContactChangeError> {
        self.find_alternative(owner, id)?;
        let removed = self.view_of(owner, id).ok_or(ContactChangeError::NotFound)?;
        let default_before = self.default_id(owner);
        self.contacts.retain(|contact| contact.id != *id);
        self.end_challenge(id);
        if self.chosen_default.as_ref() == Some(id) {
            self.chosen_default = None;
        }
        let mut changed = ChangedContacts::new();
        self.add_default_change(owner, default_before, &mut changed);
        changed.retain(|changed| changed != id);
        Ok((removed, changed))
    }

    fn find_alternative(&self, owner: &Identity, id: &ContactId) -> Result<&AlternativeContact, ContactChangeError> {
        if owner.credential_contacts().iter().any(|contact| contact.id == *id) {
            return Err(ContactRuleViolation::IsCredential.into());
        }
        self.contact(id).ok_or(ContactChangeError::NotFound)
    }

    fn default_id(&self, owner: &Identity) -> Option<ContactId> {
        self.default_contact(&owner.credential_contacts()).cloned()
    }

    /// Adds the former and the new default to `changed` if the default has changed, because each of them gets an event.
    fn add_default_change(&self, owner: &Identity, before: Option<ContactId>, changed: &mut ChangedContacts) {
        let after = self.default_id(owner);
        if after == before {
            return;
        }
        for id in [before, after].into_iter().flatten() {
            if !changed.contains(&id) {
                changed.push(id);
            }
        }
    }
}

/// Returns the contact with the patch applied, as a draft. Members that the patch keeps have their stored values.
fn draft_after_patch(
    contact: &AlternativeContact,
    email: Patch<String>,
    mobile: Patch<MobilePatch>,
    tags: Patch<Vec<String>>,
) -> ContactDraft {
    let (stored_email, stored_mobile) = match &contact.value {
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
        Patch::Keep => stored_mobile,
        Patch::Remove => None,
        Patch::Put(patch) => {
            let stored = stored_mobile.unwrap_or_default();
            Some(MobileDraft {
                region_code: patch.region_code.apply(stored.region_code),
                area_code: patch.area_code.apply(stored.area_code),
                phone_number: patch.phone_number.apply(stored.phone_number),
            })
        }
    };
    ContactDraft {
        id: contact.id.clone(),
        contact_type: contact.value.contact_type(),
        email: email.apply(stored_email),
        mobile,
        tags: tags.apply(Some(tags_of(contact.is_marked))).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
