use crate::ids::{BusinessId, ClientId, FamilyId, UserId};
use crate::time::Timestamp;

/// The subject of an access token (`sub`, RFC 9068 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTokenSubject {
    /// The client itself: `sub` is the client id.
    Client,
    /// A user for whom the client acts: `sub` is the user id.
    User {
        /// The claim `user_id`.
        id: UserId,
        /// The claim `business_id`; absent when the session acts for none.
        business: Option<BusinessId>,
        /// The claim `sid`; absent if the token belongs to no open session, as after a renewal with
        /// `remember-me=false`.
        session: Option<FamilyId>,
        /// The claim `epoch`: the credential epoch that the session was started under, never one that was read later.
        epoch: u64,
        /// The claim `sv`, absent for 0: the sessions version that the session was started under, never one that was
        /// read later.
        sessions_version: u64,
    },
}

/// The content of an access token before it is signed (RFC 9068 section 2.2). The signer adds issuer and audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// `jti`.
    pub id: String,
    /// `client_id`.
    pub client: ClientId,
    /// `client_epoch`. The token is inactive once the operator has raised the client's epoch.
    pub client_epoch: u64,
    /// `sub` and, for a user, the claims of the session.
    pub subject: AccessTokenSubject,
    /// Computed from stored data whenever a token is issued; at most 4 KiB in total.
    pub roles: Vec<String>,
    /// Written as `scope`, separated by spaces.
    pub scopes: Vec<String>,
    /// `iat`, in whole seconds.
    pub issued_at: Timestamp,
    /// `exp`, in whole seconds.
    pub expires_at: Timestamp,
}

impl AccessToken {
    /// Returns the token with another sessions version: the one under which the mint gate found its session active.
    #[must_use]
    pub fn under_sessions_version(mut self, version: u64) -> Self {
        if let AccessTokenSubject::User { sessions_version, .. } = &mut self.subject {
            *sessions_version = version;
        }
        self
    }

    /// Returns the token with its expiry limited to `end`, rounded down to the second. So no access token outlives the
    /// session that it was issued from.
    #[must_use]
    pub fn ending_by(mut self, end: Option<Timestamp>) -> Self {
        let end = end.and_then(|end| Timestamp::from_second(end.as_second()).ok());
        if let Some(end) = end {
            self.expires_at = self.expires_at.min(end);
        }
        self
    }
}
