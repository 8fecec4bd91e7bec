use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::group::AssertedGroups;
use crate::ids::{BusinessId, ClientId, FamilyId, UserId};
use crate::time::Timestamp;

/// A validation token in the form that its bearer presents: 256 random bits, returned once and never stored. `{:?}`
/// does not show it.
#[derive(Clone)]
pub struct ValidationTokenSecret(Zeroizing<String>);

impl ValidationTokenSecret {
    /// Returns the token of these bits: `vt_` and 64 hexadecimal digits.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(format!("vt_{}", crate::hex::encode(&bytes))))
    }

    /// Returns the text for the response and the hasher; it must not reach a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ValidationTokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ValidationTokenSecret")
    }
}

/// The SHA-256 of a validation token, under which it is stored. A copy of the store yields no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidationTokenHash(pub [u8; 32]);

/// A stored validation token: a secret for one use, with which the target application gets a user's tokens. It is
/// comparable to an authorization code (RFC 6749 section 1.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationToken {
    /// The key under which it is stored.
    pub hash: ValidationTokenHash,
    /// The user that the SAML login or `change-app` is for.
    pub user: UserId,
    /// The client that requested it.
    pub origin_client: ClientId,
    /// The only client that may consume it.
    pub target_client: ClientId,
    /// The business that the new session will act for.
    pub business: Option<BusinessId>,
    /// Groups that the SAML login asserted.
    pub groups: Vec<String>,
    /// The credential epoch that it was issued under; the new session inherits it, so a lock in the meantime
    /// invalidates both.
    pub epoch: u64,
    /// The session that it branches from and that session's ancestors, the oldest first; empty after a SAML login.
    pub ancestors: Vec<FamilyId>,
    /// The absolute expiry of the session that it branches from, which the new session will not exceed.
    pub session_expires_at: Option<Timestamp>,
    /// The user's address as the request gave it. It is stored and returned, never compared.
    pub ip: Option<IpAddr>,
    /// The first instant at which it can no longer be consumed: 60 s after it was issued by default, or the end of the
    /// session that it branches from if that is earlier.
    pub expires_at: Timestamp,
    /// The subset of `groups` that may give administrator roles: the asserting client is registered for them by name.
    pub administrative_groups: Vec<String>,
}

impl ValidationToken {
    /// Returns the groups in the form from which roles are computed.
    pub fn asserted_groups(&self) -> AssertedGroups {
        AssertedGroups {
            names: self.groups.clone(),
            administrative: self.administrative_groups.clone(),
        }
    }
}
