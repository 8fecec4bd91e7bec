use super::FactorSet;
use crate::contact::ContactValue;
use crate::identity::Identity;
use crate::ids::ContactId;

/// Which of a user's contacts a client is shown. Source: AuthMe documentation, `AuthenticationFactorSettings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Main contacts only.
    #[default]
    CredentialsOnly,
    /// Alternative contacts tagged `MARKED_RESOURCES` only.
    MarkedResources,
    /// Every contact.
    Unrestricted,
}

impl Visibility {
    pub const ALL: [Self; 3] = [Self::CredentialsOnly, Self::MarkedResources, Self::Unrestricted];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialsOnly => "CREDENTIALS_ONLY",
            Self::MarkedResources => "MARKED_RESOURCES",
            Self::Unrestricted => "UNRESTRICTED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == text)
    }

    /// Whether a client may be shown alternative contacts at all. What its users added elsewhere stays hidden from one that
    /// may not, and what they would add through it they could never verify.
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

/// A contact as its user may see it; the value is masked where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and told as one"
)]
pub struct OwnContact {
    pub id: ContactId,
    pub value: ContactValue,
    pub is_marked: bool,
    /// A contact the user logs in with.
    pub is_credential: bool,
    /// Its user has shown to have it, or another vouched for it.
    pub is_verified: bool,
    /// The one contact that is picked first.
    pub is_default: bool,
}

/// The contacts of a user that `visibility` shows: main contacts first, then by time added.
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
