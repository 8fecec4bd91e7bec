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
    /// The value of the drafted type; the field of the other type is ignored.
    fn value(&self) -> Result<ContactValue, Refusal> {
        match self.contact_type {
            ContactType::Email => {
                let email = self.email.as_deref().ok_or(Refusal::NotAnEmail)?;
                Email::parse(email)
                    .map(ContactValue::Email)
                    .map_err(|_| Refusal::NotAnEmail)
            }
            ContactType::Mobile => {
                let mobile = self.mobile.as_ref().ok_or(Refusal::NotAMobile)?;
                let (Some(region), Some(number)) = (&mobile.region_code, &mobile.phone_number) else {
                    return Err(Refusal::NotAMobile);
                };
                Mobile::parse(region, mobile.area_code.as_deref(), number)
                    .map(ContactValue::Mobile)
                    .map_err(|_| Refusal::NotAMobile)
            }
        }
    }
}

/// Why a contact is not added. Judged in the order of the variants; the first that fails is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
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
    pub marked: bool,
    /// Possession was shown, or another than the user vouched for it.
    pub verified: bool,
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
}

impl FactorSet {
    /// The set of a user who has added nothing.
    pub fn empty(user: UserId) -> Self {
        Self {
            user,
            version: 0,
            contacts: Vec::new(),
            chosen_default: None,
        }
    }

    pub fn contact(&self, id: &ContactId) -> Option<&AlternativeContact> {
        self.contacts.iter().find(|contact| contact.id == *id)
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
    ) -> Result<Added, Refusal> {
        let credentials = owner.credential_contacts();
        if credentials.iter().any(|contact| contact.id == draft.id) {
            return Err(Refusal::IsCredential);
        }
        if draft.contact_type == owner.main_contact_type {
            return Err(Refusal::SameTypeAsMain);
        }
        let value = draft.value()?;
        if draft.tags.iter().any(|tag| tag != MARKED_RESOURCES) {
            return Err(Refusal::UnknownTag);
        }
        if let Some(same_id) = self.contact(&draft.id) {
            let repeated = same_id.value.comparison_key() == value.comparison_key();
            return if repeated {
                Ok(Added::AlreadyThere)
            } else {
                Err(Refusal::AlreadyRegistered)
            };
        }
        if self.holds(&credentials, &value) {
            return Err(Refusal::AlreadyRegistered);
        }
        if self.contacts.len() >= MAX_ALTERNATIVE_CONTACTS {
            return Err(Refusal::TooMany);
        }
        let marked = !draft.tags.is_empty();
        let untagged = if marked {
            self.take_tag(draft.contact_type)
        } else {
            None
        };
        self.contacts.push(AlternativeContact {
            id: draft.id.clone(),
            value,
            marked,
            verified,
            revision: 1,
            added_at: now,
        });
        Ok(Added::Stored { untagged })
    }

    fn holds(&self, credentials: &[CredentialContact], value: &ContactValue) -> bool {
        let key = value.comparison_key();
        credentials
            .iter()
            .map(|contact| &contact.value)
            .chain(self.contacts.iter().map(|contact| &contact.value))
            .any(|held| held.comparison_key() == key)
    }

    fn take_tag(&mut self, contact_type: ContactType) -> Option<ContactId> {
        let holder = self
            .contacts
            .iter_mut()
            .find(|contact| contact.marked && contact.value.contact_type() == contact_type)?;
        holder.marked = false;
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
mod tests {
    use super::*;
    use crate::factors::{Visibility, own_contacts};
    use crate::identity::MainContact;

    fn id(text: &str) -> ContactId {
        ContactId::parse(text).unwrap()
    }

    fn owner() -> Identity {
        Identity {
            id: UserId::parse("u1").unwrap(),
            name: None,
            email: Some(MainContact {
                id: id("main"),
                value: Email::parse("ana@example.com").unwrap(),
            }),
            mobile: None,
            main_contact_type: ContactType::Email,
            roles: Vec::new(),
            groups: Vec::new(),
            businesses: Vec::new(),
        }
    }

    fn mobile(contact: &str, number: &str) -> ContactDraft {
        ContactDraft {
            id: id(contact),
            contact_type: ContactType::Mobile,
            email: Some("ignored".to_owned()),
            mobile: Some(MobileDraft {
                region_code: Some("55".to_owned()),
                area_code: Some("11".to_owned()),
                phone_number: Some(number.to_owned()),
            }),
            tags: Vec::new(),
        }
    }

    fn tagged(mut draft: ContactDraft) -> ContactDraft {
        draft.tags = vec![MARKED_RESOURCES.to_owned()];
        draft
    }

    fn add(set: &mut FactorSet, draft: &ContactDraft) -> Result<Added, Refusal> {
        set.add(&owner(), draft, true, Timestamp::UNIX_EPOCH)
    }

    fn empty() -> FactorSet {
        FactorSet::empty(owner().id)
    }

    #[test]
    fn the_first_broken_rule_is_told_in_the_documented_order() {
        let mut set = empty();
        let mut worst = mobile("main", "1");
        worst.tags = vec!["X".to_owned()];
        assert_eq!(add(&mut set, &worst), Err(Refusal::IsCredential));
        let same_type = ContactDraft {
            contact_type: ContactType::Email,
            email: None,
            ..worst.clone()
        };
        assert_eq!(
            add(
                &mut set,
                &ContactDraft {
                    id: id("c1"),
                    ..same_type
                }
            ),
            Err(Refusal::SameTypeAsMain)
        );
        worst.id = id("c1");
        assert_eq!(add(&mut set, &worst), Err(Refusal::NotAMobile));
        let unknown_tag = ContactDraft {
            tags: worst.tags,
            ..mobile("c1", "911112222")
        };
        assert_eq!(add(&mut set, &unknown_tag), Err(Refusal::UnknownTag));
        assert_eq!(set, empty());
    }

    #[test]
    fn the_same_contact_again_is_a_retry_and_changes_nothing() {
        let mut set = empty();
        add(&mut set, &mobile("c1", "911112222")).unwrap();
        let before = set.clone();
        assert_eq!(
            add(&mut set, &tagged(mobile("c1", "911112222"))),
            Ok(Added::AlreadyThere)
        );
        assert_eq!(set, before);
    }

    #[test]
    fn an_id_or_a_value_is_held_once() {
        let mut set = empty();
        add(&mut set, &mobile("c1", "911112222")).unwrap();
        assert_eq!(
            add(&mut set, &mobile("c1", "911113333")),
            Err(Refusal::AlreadyRegistered)
        );
        assert_eq!(
            add(&mut set, &mobile("c2", "911112222")),
            Err(Refusal::AlreadyRegistered)
        );
    }

    #[test]
    fn ten_contacts_fit_and_an_eleventh_does_not() {
        let mut set = empty();
        for n in 0..10 {
            add(&mut set, &mobile(&format!("c{n}"), &format!("91111222{n}"))).unwrap();
        }
        assert_eq!(add(&mut set, &mobile("c10", "911113333")), Err(Refusal::TooMany));
        assert_eq!(add(&mut set, &mobile("c3", "911112223")), Ok(Added::AlreadyThere));
        assert_eq!(
            add(&mut set, &mobile("c11", "911112223")),
            Err(Refusal::AlreadyRegistered)
        );
    }

    #[test]
    fn a_tag_moves_to_the_newest_contact_of_its_type() {
        let mut set = empty();
        add(&mut set, &tagged(mobile("c1", "911112222"))).unwrap();
        let added = add(&mut set, &tagged(mobile("c2", "911113333"))).unwrap();
        assert_eq!(
            added,
            Added::Stored {
                untagged: Some(id("c1"))
            }
        );
        let marked: Vec<_> = set.contacts.iter().filter(|c| c.marked).map(|c| c.id.clone()).collect();
        assert_eq!(marked, [id("c2")]);
    }

    #[test]
    fn exactly_one_contact_is_default_whatever_was_chosen() {
        let mut set = empty();
        add(&mut set, &tagged(mobile("c1", "911112222"))).unwrap();
        for (chosen, expected) in [
            (None, "main"),
            (Some("c1"), "c1"),
            (Some("main"), "main"),
            (Some("gone"), "main"),
        ] {
            set.chosen_default = chosen.map(id);
            let shown = own_contacts(&owner(), &set, Visibility::Unrestricted);
            let defaults: Vec<_> = shown.iter().filter(|c| c.default).map(|c| c.id.as_str()).collect();
            assert_eq!(defaults, [expected]);
        }
    }

    #[test]
    fn visibility_filters_what_is_shown() {
        let mut set = empty();
        add(&mut set, &mobile("c1", "911112222")).unwrap();
        add(&mut set, &tagged(mobile("c2", "911113333"))).unwrap();
        let shown = |visibility| -> Vec<String> {
            own_contacts(&owner(), &set, visibility)
                .iter()
                .map(|c| c.id.to_string())
                .collect()
        };
        assert_eq!(shown(Visibility::CredentialsOnly), ["main"]);
        assert_eq!(shown(Visibility::MarkedResources), ["c2"]);
        assert_eq!(shown(Visibility::Unrestricted), ["main", "c1", "c2"]);
    }
}
