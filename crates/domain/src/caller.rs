//! Who is calling: what a verified bearer token says.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use crate::actor::Actor;
use crate::event::EventContext;
use crate::ids::{BusinessId, ClientId, EventId, FamilyId, UserId};
use crate::time::Timestamp;

/// A role name without its optional `ROLE_` prefix; otherwise exact and case-sensitive.
pub fn bare_role(name: &str) -> &str {
    name.strip_prefix("ROLE_").unwrap_or(name)
}

/// The user a token carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallingUser {
    pub id: UserId,
    pub business: Option<BusinessId>,
    /// The refresh family the token belongs to, when there is one.
    pub session: Option<FamilyId>,
    /// The credential epoch the token was issued under.
    pub epoch: u64,
}

/// The content of a verified access token (RFC 9068 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub client: ClientId,
    /// The client's epoch when the token was minted.
    pub client_epoch: u64,
    pub user: Option<CallingUser>,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    /// First instant at which the token is no longer accepted.
    pub expires_at: Timestamp,
}

impl Caller {
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| bare_role(own) == bare_role(role))
    }

    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    pub fn user_id(&self) -> Option<&UserId> {
        self.user.as_ref().map(|user| &user.id)
    }

    /// Whether what was made for `client` and `user` is the caller's: of its own client, and of no other user than the one
    /// it carries.
    pub fn owns(&self, client: &ClientId, user: &UserId) -> bool {
        self.client == *client && self.user_id().is_none_or(|calling| calling == user)
    }
}

/// The request that a caller is served in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Answered as `x-request-id`; it stands in the log, in the audit trail and, as `correlationid`, in events.
    pub id: Arc<str>,
    /// Where the request comes from: the peer, or the hop before the trusted proxies.
    pub address: Option<IpAddr>,
}

/// One authenticated request: who calls, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub caller: Arc<Caller>,
    pub request: RequestContext,
}

impl Call {
    /// The caller, as events and the audit trail name it.
    pub fn actor(&self) -> Actor {
        Actor {
            user: self.caller.user_id().cloned(),
            client: Some(self.caller.client.clone()),
            operator: None,
        }
    }

    /// The context of an event that this call causes.
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

/// A verified access token, for whoever asks about it and not with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whose it is.
    pub caller: Arc<Caller>,
    /// `jti`.
    pub id: String,
    /// `iss`.
    pub issuer: String,
    /// The one of its `aud` that it was accepted for.
    pub audience: String,
    /// `iat`, whole seconds.
    pub issued_at: Timestamp,
}
