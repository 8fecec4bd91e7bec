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

/// A permission is a type, so that a handler names it in its signature.
pub trait Permission: 'static {
    const REQUIREMENT: Requirement;

    /// `about` is the user the request names, where it names one.
    fn permits(caller: &Caller, about: Option<&UserId>) -> bool {
        Self::REQUIREMENT
            .iter()
            .any(|alternative| alternative.permits(caller, about))
    }
}

/// Declares a permission: its name and its alternatives.
#[macro_export]
macro_rules! permission {
    ($(#[$doc:meta])* $name:ident = [$($alternative:expr),+ $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $crate::permission::Permission for $name {
            const REQUIREMENT: $crate::permission::Requirement = &[$($alternative),+];
        }
    };
}
