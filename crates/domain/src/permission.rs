//! Permissions: the roles and scopes that an operation requires of its caller. A requirement is a list of alternatives,
//! and the caller must meet one of them in full.

use std::fmt;

use crate::caller::Caller;
use crate::ids::UserId;

/// The kind of token that an alternative applies to.
///
/// The documented API lists role sets without a kind: {`CLI-AUTH-IDENTIFIED`, `CLI-1STPARTY`}, and longer sets that
/// contain it. A user's token also has the client's roles. Without the kind, any logged-in user could therefore act on
/// any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredSubject {
    /// A client-only token.
    Client,
    /// A token that carries a user.
    User,
    /// A token that carries the user in the request's path.
    SameUser,
}

/// One way to meet a requirement: the kind of token, every role and every scope are required.
#[derive(Debug, Clone, Copy)]
pub struct Alternative {
    /// The kind of token that has to be presented.
    pub carries: RequiredSubject,
    /// Compared without the optional prefix `ROLE_`.
    pub roles: &'static [&'static str],
    /// Compared exactly; empty when the alternative needs no scope.
    pub scopes: &'static [&'static str],
}

impl Alternative {
    /// Returns an alternative for client-only tokens.
    pub const fn client(roles: &'static [&'static str]) -> Self {
        Self {
            carries: RequiredSubject::Client,
            roles,
            scopes: &[],
        }
    }

    /// Returns an alternative for tokens that carry any user.
    pub const fn user(roles: &'static [&'static str]) -> Self {
        Self {
            carries: RequiredSubject::User,
            roles,
            scopes: &[],
        }
    }

    /// Returns an alternative for tokens that carry the user in the path.
    pub const fn same_user(roles: &'static [&'static str]) -> Self {
        Self {
            carries: RequiredSubject::SameUser,
            roles,
            scopes: &[],
        }
    }

    /// Returns the same alternative with `scopes` required as well.
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

/// The roles and scopes, or the kind of token, that a caller lacks for the alternative it is nearest to. It is shown to
/// the caller, and does not mention what the token has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissingPermissions {
    /// The required kind of token, if another kind was presented.
    carries: Option<RequiredSubject>,
    roles: Vec<&'static str>,
    scopes: Vec<&'static str>,
}

impl MissingPermissions {
    fn of(alternative: &Alternative, caller: &Caller, about: Option<&UserId>) -> Self {
        let roles = alternative.roles.iter().filter(|role| !caller.has_role(role));
        let scopes = alternative.scopes.iter().filter(|scope| !caller.has_scope(scope));
        Self {
            carries: (!alternative.fits(caller, about)).then_some(alternative.carries),
            roles: roles.copied().collect(),
            scopes: scopes.copied().collect(),
        }
    }

    /// Returns the sort key of the alternatives. An alternative for the presented kind of token is nearer than any
    /// other, regardless of the missing roles and scopes.
    fn distance(&self) -> (bool, usize) {
        (self.carries.is_some(), self.roles.len() + self.scopes.len())
    }
}

impl fmt::Display for MissingPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(carries) = self.carries {
            return f.write_str(match carries {
                RequiredSubject::Client => "a client-only token is required",
                RequiredSubject::User => "a token that carries a user is required",
                RequiredSubject::SameUser => "a token of the user in the path is required",
            });
        }
        let list_names = |kind: &str, names: &[&str]| match names {
            [] => None,
            [name] => Some(format!("the {kind} {name}")),
            names => Some(format!("the {kind}s {}", names.join(", "))),
        };
        let lacks = [list_names("role", &self.roles), list_names("scope", &self.scopes)];
        let lacks: Vec<String> = lacks.into_iter().flatten().collect();
        write!(f, "the token lacks {}", lacks.join(" and "))
    }
}

/// The requirement of one operation: any one of the alternatives suffices.
pub type Requirement = &'static [Alternative];

/// Returns whether the caller meets any alternative of `requirement`. `about` is the user in the request's path, if
/// any.
pub fn permits(requirement: Requirement, caller: &Caller, about: Option<&UserId>) -> bool {
    requirement.iter().any(|alternative| alternative.permits(caller, about))
}

/// Returns what a rejected caller lacks for the alternative it is nearest to. The message of the 403 shows it.
pub fn missing_permissions(requirement: Requirement, caller: &Caller, about: Option<&UserId>) -> MissingPermissions {
    let alternatives = requirement.iter();
    alternatives
        .map(|alternative| MissingPermissions::of(alternative, caller, about))
        .min_by_key(MissingPermissions::distance)
        .unwrap_or_default()
}

/// The check that the token of a call must pass in addition to signature, times, roles and scopes (`docs/protocols.md`
/// "Active check").
///
/// A token is *active* (RFC 7662 section 2.2) when all of this holds:
///
/// - Its credential is unlocked and still has the epoch that the token was issued under.
/// - The sessions of its user were not ended since it was issued, or its session was kept.
/// - Its session, if it has one, is active, and none of the session's ancestors is revoked.
/// - Its user exists.
/// - Its client is enabled and still has the client epoch that the token was issued under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCheck {
    /// The token must be active before the operation begins.
    Checked,
    /// Signature and times suffice, because the operation only reads the caller's own masked contacts.
    TokenOnly,
    /// The client is checked before the operation begins. The use case and the mint gate check the user part, because
    /// an operation that issues tokens answers 412 for a locked credential and 401 for a session that is no longer
    /// active.
    ByGate,
}

/// The permission of an operation. It is a type, so that a handler names it in its signature; see
/// [`permission!`](crate::permission!).
pub trait Permission: 'static {
    /// The alternatives. The caller must meet one of them.
    const REQUIREMENT: Requirement;
    /// The additional check that the token must pass.
    const TOKEN_CHECK: TokenCheck;

    /// Returns whether the caller's roles and scopes suffice. `about` is the user in the request's path, if any.
    fn permits(caller: &Caller, about: Option<&UserId>) -> bool {
        permits(Self::REQUIREMENT, caller, about)
    }
}

/// Declares a permission: its name, its [`TokenCheck`](crate::permission::TokenCheck) (`Checked` if omitted), and its
/// alternatives.
///
/// ```
/// use domain::permission;
/// use domain::permission::{Alternative, Permission, TokenCheck};
/// # use domain::{caller::Caller, ids::ClientId, time::Timestamp};
///
/// permission!(
///     /// Read the reports.
///     ReadReports = [
///         Alternative::user(&["AUTH-BASIC", "AUDITOR"]),
///         Alternative::client(&["CLI-AUTH-BASIC"]).with_scopes(&["reports"]),
///     ]
/// );
///
/// # let mut caller = Caller {
/// #     client: ClientId::parse("nightly-job").unwrap(),
/// #     client_epoch: 0,
/// #     user: None,
/// #     roles: vec!["ROLE_CLI-AUTH-BASIC".to_owned()],
/// #     scopes: vec!["reports".to_owned()],
/// #     expires_at: Timestamp::MAX,
/// # };
/// // A client-only token with the role ROLE_CLI-AUTH-BASIC and the scope `reports`:
/// assert!(ReadReports::permits(&caller, None));
/// caller.scopes.clear();
/// assert!(!ReadReports::permits(&caller, None));
/// assert_eq!(ReadReports::TOKEN_CHECK, TokenCheck::Checked);
/// ```
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
                sessions_version: 0,
            }),
            roles: texts(roles),
            scopes: texts(scopes),
            expires_at: Timestamp::MAX,
        }
    }

    #[test]
    fn missing_permissions_are_those_of_the_nearest_alternative() {
        let machine = ["CLI-1STPARTY", "CLI-AUTH-BASIC"];
        let lock = |caller: &Caller| missing_permissions(LockCredential::REQUIREMENT, caller, None).to_string();
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
            missing_permissions(ListOwnContacts::REQUIREMENT, &client, None).to_string(),
            "a token that carries a user is required"
        );
    }

    #[test]
    fn missing_permissions_name_the_administrator_role_for_another_user() {
        let other = UserId::parse("bia").unwrap();
        let user = caller(
            Some("ana"),
            &["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"],
            &[],
        );
        let lacking = missing_permissions(AddContacts::REQUIREMENT, &user, Some(&other));
        assert_eq!(lacking.to_string(), "the token lacks the role IAM_ADMIN_MAINTENANCE");
    }
}
