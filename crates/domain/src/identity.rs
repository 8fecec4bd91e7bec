//! Identities: the users as AuthMe stores them, with their credential contacts, roles, groups and businesses.

use crate::contact::{ContactType, ContactValue, Email, Mobile};
use crate::ids::{BusinessId, ContactId, UserId};

/// A contact that the user logs in with. It is never tagged, and the operations on contacts cannot change its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainContact<V> {
    /// Unique among the user's contacts.
    pub id: ContactId,
    /// An [`Email`] or a [`Mobile`], as the field of the identity requires.
    pub value: V,
}

/// A business that the user may act for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessLink {
    /// The claim `business_id` of tokens for this business.
    pub id: BusinessId,
    /// Added to the user's roles in a session that acts for the business.
    pub roles: Vec<String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The claim `user_id`; it never changes.
    pub id: UserId,
    /// The full name, as the operator or a SAML login gave it.
    pub name: Option<String>,
    /// The address that the user logs in with.
    pub email: Option<MainContact<Email>>,
    /// The number that the user logs in with.
    pub mobile: Option<MainContact<Mobile>>,
    /// The type of the main contact, with which the user registered. The contact of this type always exists.
    pub main_contact_type: ContactType,
    /// Roles in every session of the user.
    pub roles: Vec<String>,
    /// Names of the user's stored groups; a session may add asserted ones.
    pub groups: Vec<String>,
    /// A session acts for at most one of them.
    pub businesses: Vec<BusinessLink>,
}

/// A contact that the user logs in with, of either type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialContact {
    /// Unique among the user's contacts.
    pub id: ContactId,
    /// Unique over all users by its comparison key.
    pub value: ContactValue,
}

impl Identity {
    /// Returns the contacts that the user logs in with, the main one first.
    pub fn credential_contacts(&self) -> Vec<CredentialContact> {
        let email = self.email.iter().map(|contact| CredentialContact {
            id: contact.id.clone(),
            value: ContactValue::Email(contact.value.clone()),
        });
        let mobile = self.mobile.iter().map(|contact| CredentialContact {
            id: contact.id.clone(),
            value: ContactValue::Mobile(contact.value.clone()),
        });
        let mut contacts: Vec<_> = email.chain(mobile).collect();
        contacts.sort_by_key(|contact| contact.value.contact_type() != self.main_contact_type);
        contacts
    }

    /// Returns the comparison keys under which a login finds the user. Each is unique over all users.
    pub fn logins(&self) -> Vec<String> {
        self.credential_contacts()
            .iter()
            .map(|contact| contact.value.comparison_key())
            .collect()
    }

    /// Returns the link to `business`; `None` when the user may not act for it.
    pub fn business(&self, business: &BusinessId) -> Option<&BusinessLink> {
        self.businesses.iter().find(|link| link.id == *business)
    }
}
