use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::group::AssertedGroups;
use crate::ids::{BusinessId, ClientId, FamilyId, UserId};
use crate::time::Timestamp;

/// A validation token as its holder has it: 256 random bits, shown once. It prints nothing.
#[derive(Clone)]
pub struct ValidationTokenSecret(Zeroizing<String>);

impl ValidationTokenSecret {
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(format!("vt_{}", crate::hex::encode(&bytes))))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ValidationTokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ValidationTokenSecret")
    }
}

/// The SHA-256 under which a validation token is stored; the token itself is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidationTokenHash(pub [u8; 32]);

/// A hand-off on its way from one application to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationToken {
    pub hash: ValidationTokenHash,
    pub user: UserId,
    pub origin_client: ClientId,
    /// The only client that may use it.
    pub target_client: ClientId,
    pub business: Option<BusinessId>,
    /// Groups asserted at the hand-off.
    pub groups: Vec<String>,
    /// The credential epoch it was born under.
    pub epoch: u64,
    /// The session it branches from and those before it, the first one first; empty when it branches from none.
    pub ancestors: Vec<FamilyId>,
    /// The end of the session it branches from.
    pub session_expires_at: Option<Timestamp>,
    pub ip: Option<IpAddr>,
    /// First instant at which it is dead.
    pub expires_at: Timestamp,
    /// Those of `groups` that may give administrator roles: the client that asserted them is registered for them by name.
    pub administrative_groups: Vec<String>,
}

impl ValidationToken {
    pub fn asserted_groups(&self) -> AssertedGroups {
        AssertedGroups {
            names: self.groups.clone(),
            administrative: self.administrative_groups.clone(),
        }
    }
}
