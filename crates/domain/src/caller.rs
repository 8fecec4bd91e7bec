//! The caller of a request: the content of a verified bearer token.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use crate::actor::Actor;
use crate::event::EventContext;
use crate::ids::{BusinessId, ClientId, EventId, FamilyId, UserId};
use crate::time::Timestamp;

/// Returns a role name without its optional `ROLE_` prefix. Role names are otherwise compared exactly and
/// case-sensitively.
pub fn bare_role(name: &str) -> &str {
    name.strip_prefix("ROLE_").unwrap_or(name)
}

/// The user part of an access token; a client-only token has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallingUser {
    /// The claim `user_id`.
    pub id: UserId,
    /// The business that the session acts for (`business_id`).
    pub business: Option<BusinessId>,
    /// The refresh token family that the token belongs to (`sid`); `None` after a renewal with `remember-me=false`.
    pub session: Option<FamilyId>,
    /// The credential epoch that the token was issued under. The token is inactive once the credential has another
    /// epoch.
    pub epoch: u64,
    /// The sessions version that the token was issued under (`sv`, absent for 0). The token is inactive once the user's
    /// sign-in has another one and keeps another session.
    pub sessions_version: u64,
}

/// The content of a verified access token (RFC 9068 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The client that the token was issued to (`client_id`).
    pub client: ClientId,
    /// The client's epoch when the token was issued. The token is inactive once the client has another epoch.
    pub client_epoch: u64,
    /// `None` for a client-only token.
    pub user: Option<CallingUser>,
    /// Role names as the token has them, with or without the prefix `ROLE_`.
    pub roles: Vec<String>,
    /// Scopes of the client, compared exactly.
    pub scopes: Vec<String>,
    /// The first instant at which the token is no longer accepted (`exp`).
    pub expires_at: Timestamp,
}

impl Caller {
    /// Returns whether the token has a role. The prefix `ROLE_` is optional on both sides.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| bare_role(own) == bare_role(role))
    }

    /// Returns whether the token has exactly this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    /// Returns the user that the token carries; `None` for a client-only token.
    pub fn user_id(&self) -> Option<&UserId> {
        self.user.as_ref().map(|user| &user.id)
    }

    /// Returns whether a session or token that was issued to `client` for `user` belongs to the caller. The client must
    /// be the caller's own. The user must be the one in the caller's token; a client-only token may act for any user of
    /// its client.
    pub fn owns(&self, client: &ClientId, user: &UserId) -> bool {
        self.client == *client && self.user_id().is_none_or(|calling| calling == user)
    }
}

/// The HTTP request that a caller made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// The response's `x-request-id`. The log, the audit trail and, as `correlationid`, the events repeat it.
    pub id: Arc<str>,
    /// The client's address: the peer, or the last hop before the trusted proxies.
    pub address: Option<IpAddr>,
}

/// An authenticated request: the caller and the request it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Shared, because the verifier caches verified tokens.
    pub caller: Arc<Caller>,
    /// The request that the token came with.
    pub request: RequestContext,
}

impl Call {
    /// Returns the caller in the form in which events and the audit trail name it.
    pub fn actor(&self) -> Actor {
        Actor {
            user: self.caller.user_id().cloned(),
            client: Some(self.caller.client.clone()),
            operator: None,
        }
    }

    /// Returns the context of an event that this call causes: its actor and its request id.
    pub fn event(&self, id: EventId, time: Timestamp) -> EventContext {
        EventContext {
            id,
            time,
            by: self.actor(),
            correlation_id: Some(self.request.id.to_string()),
        }
    }
}

impl Deref for Call {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// The cause of a command: an authenticated request, or an operator's command line.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// A request.
    Call(&'a Call),
    /// A command of the operator with this name.
    Operator(&'a str),
}

impl<'a> Cause<'a> {
    /// Returns the request; `None` for a command line.
    pub fn call(self) -> Option<&'a Call> {
        match self {
            Self::Call(call) => Some(call),
            Self::Operator(_) => None,
        }
    }

    /// Returns the cause in the form in which events and the audit trail name it.
    pub fn actor(self) -> Actor {
        match self {
            Self::Call(call) => call.actor(),
            Self::Operator(name) => Actor::operator(name),
        }
    }

    /// Returns the context of an event that this cause has. A command line has no request id.
    pub fn event(self, id: EventId, time: Timestamp) -> EventContext {
        match self {
            Self::Call(call) => call.event(id, time),
            Self::Operator(_) => EventContext {
                id,
                time,
                by: self.actor(),
                correlation_id: None,
            },
        }
    }
}

/// A verified access token with the claims that only introspection (RFC 7662) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The claims that every operation reads.
    pub caller: Arc<Caller>,
    /// `jti`.
    pub id: String,
    /// `iss`.
    pub issuer: String,
    /// The member of `aud` that the verifier accepted.
    pub audience: String,
    /// `iat`, in whole seconds.
    pub issued_at: Timestamp,
}
