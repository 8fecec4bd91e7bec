//! Identities: the users, their main contacts and what they may do.

use crate::contact::{ContactType, ContactValue, Email, Mobile};
use crate::ids::{BusinessId, ContactId, UserId};

/// A contact the user logs in with; never tagged, never changed by the factor operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainContact<V> {
    pub id: ContactId,
    pub value: V,
}

/// A business the user may act for, and the roles that come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessLink {
    pub id: BusinessId,
    pub roles: Vec<String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub id: UserId,
    pub name: Option<String>,
    pub email: Option<MainContact<Email>>,
    pub mobile: Option<MainContact<Mobile>>,
    /// What the user registered with; it has a contact of this type.
    pub main_contact_type: ContactType,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub businesses: Vec<BusinessLink>,
}

/// A main contact in borrowed form, whichever type it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialContact {
    pub id: ContactId,
    pub value: ContactValue,
}

impl Identity {
    /// The contacts the user logs in with, the main one first.
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

    /// The keys under which the user is found at a login: unique over all users.
    pub fn logins(&self) -> Vec<String> {
        self.credential_contacts()
            .iter()
            .map(|contact| contact.value.comparison_key())
            .collect()
    }

    /// The link to `business`, when the user has one.
    pub fn business(&self, business: &BusinessId) -> Option<&BusinessLink> {
        self.businesses.iter().find(|link| link.id == *business)
    }
}
