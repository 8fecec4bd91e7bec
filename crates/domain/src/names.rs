//! The names of roles and scopes: those that AuthMe defines, where a role may be stored, and the known name nearest to
//! an unknown one. `docs/api.md` "Roles and scopes" lists their use.

use crate::caller::bare_role;

/// The roles that let a user act on all other users.
pub const ADMINISTRATOR_ROLES: [&str; 2] = ["IAM_ADMIN_MAINTENANCE", "ADMIN"];

/// Returns whether a role, with or without the prefix `ROLE_`, is an administrator role.
pub fn is_administrator(role: &str) -> bool {
    ADMINISTRATOR_ROLES.contains(&bare_role(role))
}

/// The two kinds of names that an operator can make known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// Held by clients, users, groups and business links.
    Role,
    /// Held by clients only (RFC 6749 section 3.3).
    Scope,
}

impl NameKind {
    /// Both kinds, in the order in which stores page known names.
    pub const ALL: [Self; 2] = [Self::Role, Self::Scope];

    /// Parses the word that the command line and the store use; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the word that the command line and the store use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Scope => "scope",
        }
    }

    /// Returns the names that AuthMe itself defines.
    pub const fn definitions(self) -> &'static [NameDefinition] {
        match self {
            Self::Role => ROLES,
            Self::Scope => SCOPES,
        }
    }

    /// Returns whether AuthMe itself gives `name` a meaning. A role may have the prefix `ROLE_`.
    pub fn defines(self, name: &str) -> bool {
        let name = match self {
            Self::Role => bare_role(name),
            Self::Scope => name,
        };
        self.definitions().iter().any(|defined| defined.name == name)
    }
}

/// A name that AuthMe itself gives a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameDefinition {
    /// A role is given without the prefix `ROLE_`.
    pub name: &'static str,
    /// One sentence for the operator, without a full stop.
    pub meaning: &'static str,
}

const fn definition(name: &'static str, meaning: &'static str) -> NameDefinition {
    NameDefinition { name, meaning }
}

const ROLES: &[NameDefinition] = &[
    definition(
        "CLI-AUTH-IDENTIFIED",
        "The client acts for users whom it knows by their id",
    ),
    definition("CLI-AUTH-BASIC", "The client is a machine that acts for no user"),
    definition("CLI-1STPARTY", "The client is a first-party application"),
    definition("AUTH-BASIC", "The user has logged in"),
    definition("AUTH-MFA", "The user has proved a second factor; never stored"),
    definition("AUTH-SMART", "The user has just answered a challenge; never stored"),
    definition("USER", "The user may use the user's own resources"),
    definition("PERSON", "The user is a private customer"),
    definition("BUSINESS", "The user acts for a business"),
    definition("BUSINESSOWNER", "The user owns the business that the token is for"),
    definition(
        "BUSINESSADMIN",
        "The user administers the business that the token is for",
    ),
    definition("ADMIN", "The user administers the installation"),
    definition(
        "IAM_ADMIN_MAINTENANCE",
        "The user maintains other users: their contacts and locks",
    ),
];

const SCOPES: &[NameDefinition] = &[
    definition("SAML_SSO", "Start SAML logins"),
    definition("account_lock", "Lock credentials"),
    definition("account_unlock", "Unlock credentials"),
    definition("contacts_verified", "Add contacts that count as verified"),
    definition("contacts_reveal", "See contacts unmasked"),
    definition("events_read", "Follow the event log"),
    definition("READ", "Read, at first-party services"),
    definition("WRITE", "Write, at first-party services"),
];

/// The maximum length of a role or scope name, in characters: the same as for an id, and far below the 4 KiB for all
/// roles of a token.
const MAX_NAME_CHARACTERS: usize = 64;

/// A text that is not the name of a role or scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {MAX_NAME_CHARACTERS} characters of A-Z a-z 0-9 _ . : -")]
pub struct MalformedName;

/// A name that the operator made known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownName {
    /// A role and a scope may have the same name.
    pub kind: NameKind,
    name: String,
}

impl KnownName {
    /// Parses a name; a role loses its optional prefix `ROLE_`.
    ///
    /// # Errors
    ///
    /// Returns [`MalformedName`] for a text that is empty, longer than 64 characters or has another character than
    /// `A-Z a-z 0-9 _ . : -`.
    pub fn parse(kind: NameKind, text: &str) -> Result<Self, MalformedName> {
        let name = match kind {
            NameKind::Role => bare_role(text),
            NameKind::Scope => text,
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        if (1..=MAX_NAME_CHARACTERS).contains(&name.len()) && name.chars().all(fits) {
            Ok(Self {
                kind,
                name: name.to_owned(),
            })
        } else {
            Err(MalformedName)
        }
    }

    /// Returns the name; that of a role is without the prefix `ROLE_`.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// A stored record that gives roles to tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleHolder {
    /// Gives its roles to its own tokens and to those of its users.
    Client,
    /// Gives its roles to every token of the user.
    Identity,
    /// An identity's link to a business: gives its roles to tokens for that business.
    BusinessLink,
    /// Gives its roles to the tokens of its members.
    Group,
}

/// A role in a holder that cannot give it. A registration with it is rejected; in a stored record it is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MisplacedRole {
    /// A `CLI-` role outside a client would let a user pass for an application.
    #[error("a role that begins with CLI- belongs to a client")]
    OfClients,
    /// A stored `AUTH-` role would claim a proof that the user has not given in this session.
    #[error("a role that begins with AUTH- comes from a proof; only AUTH-BASIC can be stored, with the user itself")]
    OfProofs,
    /// An administrator role in a client or business link would be given to all of its users.
    #[error("an administrator role is given to a user itself or by a group, never by a client or a link to a business")]
    OfAdministrators,
}

impl RoleHolder {
    /// Checks that `role`, with or without the prefix `ROLE_`, may be stored in this holder.
    ///
    /// # Errors
    ///
    /// Returns [`MisplacedRole`] with the rule that forbids it.
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

/// Returns the name among `known` that is the fewest edits away from `name`, ignoring ASCII case. Returns the first of
/// several equally near names, and `None` if nothing is known.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|known| edit_distance(name, known))
}

/// Returns the Levenshtein distance: the fewest insertions, deletions and replacements that turn one text into the
/// other, ignoring ASCII case. Only one row of the matrix is kept.
pub fn edit_distance(one: &str, other: &str) -> usize {
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
    fn check_accepts_a_role_only_in_its_holders() {
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
    fn administrator_roles_are_defined_roles() {
        for role in ADMINISTRATOR_ROLES {
            assert!(NameKind::Role.defines(role) && NameKind::Role.defines(&format!("ROLE_{role}")));
        }
        assert!(!NameKind::Scope.defines("ROLE_account_lock"));
    }

    #[test]
    fn names_have_up_to_64_plain_characters() {
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
        let roles = || NameKind::Role.definitions().iter().map(|role| role.name);
        for (intended, typed) in [
            ("IAM_ADMIN_MAINTENANCE", "IAM_ADMIN_MAINTENACE"),
            ("CLI-1STPARTY", "CLI-FIRSTPARTY"),
            ("USER", "user"),
            ("AUTH-BASIC", "AUTH_BASIC"),
        ] {
            assert_eq!(nearest(typed, roles()), Some(intended), "{typed}");
        }
        assert_eq!(nearest("x", []), None);
        for (one, other, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(edit_distance(one, other), expected, "{one} {other}");
            assert_eq!(edit_distance(other, one), expected, "{other} {one}");
        }
    }
}
