//! What an operation asks of its caller: a list of alternatives, each a set of roles and scopes, all needed.

use crate::caller::Caller;
use crate::ids::UserId;

/// Which tokens an alternative speaks of.
///
/// An alternative that names no user role is for client-only tokens; read as a plain "or" it would let any logged-in
/// user act on any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
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
    pub carries: Carries,
    pub roles: &'static [&'static str],
    pub scopes: &'static [&'static str],
}

impl Alternative {
    pub const fn client(roles: &'static [&'static str]) -> Self {
        Self {
            carries: Carries::Client,
            roles,
            scopes: &[],
        }
    }

    pub const fn user(roles: &'static [&'static str]) -> Self {
        Self {
            carries: Carries::User,
            roles,
            scopes: &[],
        }
    }

    pub const fn same_user(roles: &'static [&'static str]) -> Self {
        Self {
            carries: Carries::SameUser,
            roles,
            scopes: &[],
        }
    }

    #[must_use]
    pub const fn with_scopes(mut self, scopes: &'static [&'static str]) -> Self {
        self.scopes = scopes;
        self
    }

    fn permits(&self, caller: &Caller, about: Option<&UserId>) -> bool {
        let carried = match (self.carries, &caller.user) {
            (Carries::Client, None) | (Carries::User, Some(_)) => true,
            (Carries::SameUser, Some(user)) => about == Some(&user.id),
            (Carries::Client, Some(_)) | (Carries::User | Carries::SameUser, None) => false,
        };
        carried
            && self.roles.iter().all(|role| caller.has_role(role))
            && self.scopes.iter().all(|scope| caller.has_scope(scope))
    }
}

/// The requirement of one operation; any alternative suffices.
pub type Requirement = &'static [Alternative];

/// Returns whether any alternative of `requirement` lets the caller through. `about` is the user the request names, where it
/// names one.
pub fn permits(requirement: Requirement, caller: &Caller, about: Option<&UserId>) -> bool {
    requirement.iter().any(|alternative| alternative.permits(caller, about))
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
