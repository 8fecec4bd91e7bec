use super::FactorSet;
use crate::client::Visibility;
use crate::contact::ContactValue;
use crate::identity::Identity;
use crate::ids::ContactId;

/// A contact in the form that its user sees. The value is unmasked here; the response and the event mask it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of its own in responses and events"
)]
pub struct OwnContact {
    /// Unique among the user's contacts.
    pub id: ContactId,
    /// Unique among the user's contacts by its comparison key.
    pub value: ContactValue,
    /// The contact has the tag `MARKED_RESOURCES`.
    pub is_marked: bool,
    /// The user logs in with the contact.
    pub is_credential: bool,
    /// The user proved possession, or the caller that set the value vouched for it.
    pub is_verified: bool,
    /// Exactly one contact of a user is the default.
    pub is_default: bool,
}

/// Returns the contacts of a user that `visibility` shows: credential contacts first, then alternative contacts in the
/// order of their addition.
pub fn own_contacts(identity: &Identity, set: &FactorSet, visibility: Visibility) -> Vec<OwnContact> {
    let credentials = identity.credential_contacts();
    let default = set.default_contact(&credentials);
    let main = credentials.iter().map(|contact| OwnContact {
        id: contact.id.clone(),
        value: contact.value.clone(),
        is_marked: false,
        is_credential: true,
        is_verified: true,
        is_default: default == Some(&contact.id),
    });
    let alternative = set.contacts.iter().map(|contact| OwnContact {
        id: contact.id.clone(),
        value: contact.value.clone(),
        is_marked: contact.is_marked,
        is_credential: false,
        is_verified: contact.is_verified,
        is_default: default == Some(&contact.id),
    });
    main.chain(alternative)
        .filter(|contact| is_shown(contact, visibility))
        .collect()
}

const fn is_shown(contact: &OwnContact, visibility: Visibility) -> bool {
    match visibility {
        Visibility::CredentialsOnly => contact.is_credential,
        Visibility::MarkedResources => contact.is_marked,
        Visibility::Unrestricted => true,
    }
}
