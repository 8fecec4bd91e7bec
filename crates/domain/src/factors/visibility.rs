use super::FactorSet;
use crate::contact::ContactValue;
use crate::identity::Identity;
use crate::ids::ContactId;

/// The contacts of a user that a client sees (`AuthenticationFactorSettings` of the documented API). Operations answer
/// 404 for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Credential contacts only.
    #[default]
    CredentialsOnly,
    /// Alternative contacts tagged `MARKED_RESOURCES` only.
    MarkedResources,
    /// Every contact.
    Unrestricted,
}

impl Visibility {
    /// All values, from the narrowest to the widest.
    pub const ALL: [Self; 3] = [Self::CredentialsOnly, Self::MarkedResources, Self::Unrestricted];

    /// Returns the name in the documented API, which the command line and the store use as well.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialsOnly => "CREDENTIALS_ONLY",
            Self::MarkedResources => "MARKED_RESOURCES",
            Self::Unrestricted => "UNRESTRICTED",
        }
    }

    /// Parses the name that [`as_str`](Self::as_str) returns; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == text)
    }

    /// Returns whether the client sees any alternative contacts. If it sees none, its users cannot add contacts through
    /// it either (412, code 22), because they could not verify them there.
    pub const fn shows_alternatives(self) -> bool {
        match self {
            Self::CredentialsOnly => false,
            Self::MarkedResources | Self::Unrestricted => true,
        }
    }

    const fn shows(self, contact: &OwnContact) -> bool {
        match self {
            Self::CredentialsOnly => contact.is_credential,
            Self::MarkedResources => contact.is_marked,
            Self::Unrestricted => true,
        }
    }
}

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
        .filter(|contact| visibility.shows(contact))
        .collect()
}
