//! What an operation asks of its caller: a list of alternatives, each a set of roles and scopes, all needed.

use std::fmt;

use crate::caller::Caller;
use crate::ids::UserId;

/// Which tokens an alternative speaks of.
///
/// An alternative that names no user role is for client-only tokens; read as a plain "or" it would let any logged-in
/// user act on any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredSubject {
    /// A token without a user.
    Client,
    /// A token that carries a user.
    User,
    /// A token that carries the very user the request is about.
    SameUser,
}

/// One way to satisfy a requirement: every role and every scope is needed.
#[derive(Debug, Clone, Copy)]
pub struct Alternative {
    pub carries: RequiredSubject,
    pub roles: &'static [&'static str],
    pub scopes: &'static [&'static str],
}

impl Alternative {
    pub const fn client(roles: &'static [&'static str]) -> Self {
        Self {
            carries: RequiredSubject::Client,
            roles,
            scopes: &[],
        }
    }

    pub const fn user(roles: &'static [&'static str]) -> Self {
        Self {
            carries: RequiredSubject::User,
            roles,
            scopes: &[],
        }
    }

    pub const fn same_user(roles: &'static [&'static str]) -> Self {
        Self {
            carries: RequiredSubject::SameUser,
            roles,
            scopes: &[],
        }
    }

    #[must_use]
    pub const fn with_scopes(mut self, scopes: &'static [&'static str]) -> Self {
        self.scopes = scopes;
        self
    }

    fn fits(&self, caller: &Caller, about: Option<&UserId>) -> bool {
        match (self.carries, &caller.user) {
            (RequiredSubject::Client, None) | (RequiredSubject::User, Some(_)) => true,
            (RequiredSubject::SameUser, Some(user)) => about == Some(&user.id),
            (RequiredSubject::Client, Some(_)) | (RequiredSubject::User | RequiredSubject::SameUser, None) => false,
        }
    }

    fn permits(&self, caller: &Caller, about: Option<&UserId>) -> bool {
        self.fits(caller, about)
            && self.roles.iter().all(|role| caller.has_role(role))
            && self.scopes.iter().all(|scope| caller.has_scope(scope))
    }
}

/// What a caller lacks of the alternative it comes nearest to. It says nothing of what the caller has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lacking {
    /// Another kind of token is needed.
    carries: Option<RequiredSubject>,
    roles: Vec<&'static str>,
    scopes: Vec<&'static str>,
}

impl Lacking {
    fn of(alternative: &Alternative, caller: &Caller, about: Option<&UserId>) -> Self {
        let roles = alternative.roles.iter().filter(|role| !caller.has_role(role));
        let scopes = alternative.scopes.iter().filter(|scope| !caller.has_scope(scope));
        Self {
            carries: (!alternative.fits(caller, about)).then_some(alternative.carries),
            roles: roles.copied().collect(),
            scopes: scopes.copied().collect(),
        }
    }

    /// The kind of a token is further away than any role or scope.
    fn distance(&self) -> (bool, usize) {
        (self.carries.is_some(), self.roles.len() + self.scopes.len())
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(carries) = self.carries {
            return f.write_str(match carries {
                RequiredSubject::Client => "a client-only token is required",
                RequiredSubject::User => "a token that carries a user is required",
                RequiredSubject::SameUser => "a token of the user in the path is required",
            });
        }
        let named = |kind: &str, names: &[&str]| match names {
            [] => None,
            [name] => Some(format!("the {kind} {name}")),
            names => Some(format!("the {kind}s {}", names.join(", "))),
        };
        let lacks = [named("role", &self.roles), named("scope", &self.scopes)];
        let lacks: Vec<String> = lacks.into_iter().flatten().collect();
        write!(f, "the token lacks {}", lacks.join(" and "))
    }
}

/// The requirement of one operation; any alternative suffices.
pub type Requirement = &'static [Alternative];

/// Returns whether any alternative of `requirement` lets the caller through. `about` is the user the request names, where it
/// names one.
pub fn permits(requirement: Requirement, caller: &Caller, about: Option<&UserId>) -> bool {
    requirement.iter().any(|alternative| alternative.permits(caller, about))
}

/// Returns what a caller who is not permitted lacks.
pub fn lacking(requirement: Requirement, caller: &Caller, about: Option<&UserId>) -> Lacking {
    let alternatives = requirement.iter();
    alternatives
        .map(|alternative| Lacking::of(alternative, caller, about))
        .min_by_key(Lacking::distance)
        .unwrap_or_default()
}

/// How alive the token behind a call must be, beyond its signature and its times.
///
/// Alive means: its credential is unlocked and of its epoch, its session and all that session descends from are not revoked,
/// its user exists, and its client is enabled and of its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCheck {
    /// It must be alive before the operation begins.
    Checked,
    /// Its signature and times suffice: the caller reads its own data and nothing else.
    TokenOnly,
    /// Its client is looked at before the operation begins; the mint gate looks at its user part, because a minting
    /// operation tells a locked credential from a dead session.
    ByGate,
}

/// A permission is a type, so that a handler names it in its signature.
pub trait Permission: 'static {
    const REQUIREMENT: Requirement;
    const TOKEN_CHECK: TokenCheck;

    /// Returns whether the caller's roles and scopes suffice. `about` is the user the request names, where it names one.
    fn permits(caller: &Caller, about: Option<&UserId>) -> bool {
        permits(Self::REQUIREMENT, caller, about)
    }
}

/// Declares a permission: its name, how its token is checked (`Checked` unless said otherwise), and its alternatives.
#[macro_export]
macro_rules! permission {
    ($(#[$doc:meta])* $name:ident = [$($alternative:expr),+ $(,)?]) => {
        $crate::permission!($(#[$doc])* $name: Checked = [$($alternative),+]);
    };
    ($(#[$doc:meta])* $name:ident: $check:ident = [$($alternative:expr),+ $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $crate::permission::Permission for $name {
            const REQUIREMENT: $crate::permission::Requirement = &[$($alternative),+];
            const TOKEN_CHECK: $crate::permission::TokenCheck = $crate::permission::TokenCheck::$check;
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::CallingUser;
    use crate::credential_lock::permissions::LockCredential;
    use crate::factors::permissions::{AddContacts, ListOwnContacts};
    use crate::ids::ClientId;
    use crate::time::Timestamp;

    fn caller(user: Option<&str>, roles: &[&str], scopes: &[&str]) -> Caller {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Caller {
            client: ClientId::parse("portal").unwrap(),
            client_epoch: 0,
            user: user.map(|id| CallingUser {
                id: UserId::parse(id).unwrap(),
                business: None,
                session: None,
                epoch: 0,
            }),
            roles: texts(roles),
            scopes: texts(scopes),
            expires_at: Timestamp::MAX,
        }
    }

    #[test]
    fn what_is_lacking_is_told_of_the_nearest_alternative() {
        let machine = ["CLI-1STPARTY", "CLI-AUTH-BASIC"];
        let lock = |caller: &Caller| lacking(LockCredential::REQUIREMENT, caller, None).to_string();
        assert_eq!(
            lock(&caller(None, &machine, &["SAML_SSO"])),
            "the token lacks the scope account_lock"
        );
        assert_eq!(
            lock(&caller(Some("ana"), &["ROLE_CLI-1STPARTY", "AUTH-BASIC"], &[])),
            "the token lacks the role IAM_ADMIN_MAINTENANCE"
        );
        assert_eq!(
            lock(&caller(None, &[], &[])),
            "the token lacks the roles CLI-1STPARTY, CLI-AUTH-BASIC and the scope account_lock"
        );
        let client = caller(None, &machine, &[]);
        assert_eq!(
            lacking(ListOwnContacts::REQUIREMENT, &client, None).to_string(),
            "a token that carries a user is required"
        );
    }

    #[test]
    fn a_user_who_asks_about_another_is_told_what_that_takes() {
        let other = UserId::parse("bia").unwrap();
        let user = caller(
            Some("ana"),
            &["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"],
            &[],
        );
        let lacking = lacking(AddContacts::REQUIREMENT, &user, Some(&other));
        assert_eq!(lacking.to_string(), "the token lacks the role IAM_ADMIN_MAINTENANCE");
    }
}
