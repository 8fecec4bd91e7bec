//! The names of roles and scopes: those that AuthMe itself gives a meaning, where a role may stand, and which known name
//! an unknown one is nearest to.

use crate::caller::bare_role;

/// The roles that let a user act on all others.
pub const ADMINISTRATOR_ROLES: [&str; 2] = ["IAM_ADMIN_MAINTENANCE", "ADMIN"];

/// Whether a role, with or without its prefix, is an administrator role.
pub fn is_administrator(role: &str) -> bool {
    ADMINISTRATOR_ROLES.contains(&bare_role(role))
}

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    Role,
    Scope,
}

impl NameKind {
    pub const ALL: [Self; 2] = [Self::Role, Self::Scope];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Scope => "scope",
        }
    }

    /// Those that AuthMe itself gives a meaning.
    pub const fn defined(self) -> &'static [Defined] {
        match self {
            Self::Role => ROLES,
            Self::Scope => SCOPES,
        }
    }

    /// Whether AuthMe itself gives this name a meaning; a role may have its prefix.
    pub fn defines(self, name: &str) -> bool {
        let name = match self {
            Self::Role => bare_role(name),
            Self::Scope => name,
        };
        self.defined().iter().any(|defined| defined.name == name)
    }
}

/// A name and its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defined {
    pub name: &'static str,
    pub meaning: &'static str,
}

const fn defined(name: &'static str, meaning: &'static str) -> Defined {
    Defined { name, meaning }
}

const ROLES: &[Defined] = &[
    defined("CLI-AUTH-IDENTIFIED", "The client acts for users it knows by their id"),
    defined("CLI-AUTH-BASIC", "The client is a machine that acts for no user"),
    defined("CLI-1STPARTY", "The client is an application of the house"),
    defined("AUTH-BASIC", "The user has logged in"),
    defined("AUTH-MFA", "The user has proved a second factor; never stored"),
    defined("AUTH-SMART", "The user has just answered a challenge; never stored"),
    defined("USER", "The user may use what is the user's own"),
    defined("PERSON", "The user is a customer in person"),
    defined("BUSINESS", "The user acts for a business"),
    defined("BUSINESSOWNER", "The user owns the business that the token is for"),
    defined(
        "BUSINESSADMIN",
        "The user administrates the business that the token is for",
    ),
    defined("ADMIN", "The user administrates the installation"),
    defined(
        "IAM_ADMIN_MAINTENANCE",
        "The user maintains other users: their contacts and locks",
    ),
];

const SCOPES: &[Defined] = &[
    defined("SAML_SSO", "Hand users over from a SAML integration"),
    defined("account_lock", "Lock credentials"),
    defined("account_unlock", "Unlock credentials"),
    defined("contacts_verified", "What the client adds as a contact is verified"),
    defined("contacts_reveal", "See contacts unmasked"),
    defined("events_read", "Follow the event log"),
    defined("READ", "Read, at the house's own services"),
    defined("WRITE", "Write, at the house's own services"),
];

/// Characters of a role's or a scope's name.
const LONGEST: usize = 64;

/// A name that no role or scope can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {LONGEST} characters of A-Z a-z 0-9 _ . : -")]
pub struct MalformedName;

/// A name that the operator made known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownName {
    pub kind: NameKind,
    name: String,
}

impl KnownName {
    /// Reads a name; a role loses its optional prefix.
    pub fn parse(kind: NameKind, text: &str) -> Result<Self, MalformedName> {
        let name = match kind {
            NameKind::Role => bare_role(text),
            NameKind::Scope => text,
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        if (1..=LONGEST).contains(&name.len()) && name.chars().all(fits) {
            Ok(Self {
                kind,
                name: name.to_owned(),
            })
        } else {
            Err(MalformedName)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// Where a role is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleHolder {
    Client,
    Identity,
    /// An identity's link to a business.
    BusinessLink,
    Group,
}

/// A role that does not belong where it stands: it is refused in a registration, and ignored when found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MisplacedRole {
    #[error("a role that begins with CLI- is a client's")]
    OfClients,
    #[error("a role that begins with AUTH- comes of a proof; only AUTH-BASIC is stored, with the user itself")]
    OfProofs,
    #[error("an administrator role is given to a user itself or by a group, never by a client or a link to a business")]
    OfAdministrators,
}

impl RoleHolder {
    /// Whether `role` may stand here.
    pub fn check(self, role: &str) -> Result<(), MisplacedRole> {
        let bare = bare_role(role);
        let is_stored_proof = self == Self::Identity && bare == "AUTH-BASIC";
        let administrates = matches!(self, Self::Identity | Self::Group);
        if bare.starts_with("CLI-") && self != Self::Client {
            Err(MisplacedRole::OfClients)
        } else if bare.starts_with("AUTH-") && !is_stored_proof {
            Err(MisplacedRole::OfProofs)
        } else if is_administrator(bare) && !administrates {
            Err(MisplacedRole::OfAdministrators)
        } else {
            Ok(())
        }
    }
}

/// The one of `known` that takes the fewest edits to become `name`, whatever the case; the first of several.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|known| edits(name, known))
}

/// How many characters are put in, taken out or replaced on the shortest way from one text to the other (Levenshtein).
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, a) in one.chars().enumerate() {
        let (mut diagonal, mut left) = (line, line + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, b) in cells.zip(other.chars()) {
            let replaced = diagonal + usize::from(!a.eq_ignore_ascii_case(&b));
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_stands_only_where_it_belongs() {
        use MisplacedRole::{OfAdministrators, OfClients, OfProofs};
        let holders = [
            RoleHolder::Client,
            RoleHolder::Identity,
            RoleHolder::BusinessLink,
            RoleHolder::Group,
        ];
        for (role, expected) in [
            ("CLI-1STPARTY", [Ok(()), Err(OfClients), Err(OfClients), Err(OfClients)]),
            ("AUTH-MFA", [Err(OfProofs); 4]),
            ("AUTH-BASIC", [Err(OfProofs), Ok(()), Err(OfProofs), Err(OfProofs)]),
            ("ADMIN", [Err(OfAdministrators), Ok(()), Err(OfAdministrators), Ok(())]),
            (
                "IAM_ADMIN_MAINTENANCE",
                [Err(OfAdministrators), Ok(()), Err(OfAdministrators), Ok(())],
            ),
            ("BUYER", [Ok(()); 4]),
            ("admin", [Ok(()); 4]),
        ] {
            for (holder, expected) in holders.into_iter().zip(expected) {
                assert_eq!(holder.check(role), expected, "{role} of {holder:?}");
                assert_eq!(holder.check(&format!("ROLE_{role}")), expected, "{role} of {holder:?}");
            }
        }
    }

    #[test]
    fn administrator_roles_have_a_meaning_here() {
        for role in ADMINISTRATOR_ROLES {
            assert!(NameKind::Role.defines(role) && NameKind::Role.defines(&format!("ROLE_{role}")));
        }
        assert!(!NameKind::Scope.defines("ROLE_account_lock"));
    }

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["A", "a:b.c-d_9", &"x".repeat(64)] {
            assert!(KnownName::parse(NameKind::Scope, good).is_ok(), "{good}");
        }
        for bad in ["", "ROLE_", "a b", "a/b", "*", "é", &"x".repeat(65)] {
            assert!(KnownName::parse(NameKind::Role, bad).is_err(), "{bad}");
        }
        let known = KnownName::parse(NameKind::Role, "ROLE_BUYER").unwrap();
        assert_eq!(known.as_str(), "BUYER");
    }

    #[test]
    fn the_nearest_name_takes_the_fewest_edits() {
        let roles = || NameKind::Role.defined().iter().map(|role| role.name);
        for (meant, given) in [
            ("IAM_ADMIN_MAINTENANCE", "IAM_ADMIN_MAINTENACE"),
            ("CLI-1STPARTY", "CLI-FIRSTPARTY"),
            ("USER", "user"),
            ("AUTH-BASIC", "AUTH_BASIC"),
        ] {
            assert_eq!(nearest(given, roles()), Some(meant), "{given}");
        }
        assert_eq!(nearest("x", []), None);
        for (one, other, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(edits(one, other), expected, "{one} {other}");
            assert_eq!(edits(other, one), expected, "{other} {one}");
        }
    }
}
