use crate::ids::{BusinessId, ClientId, FamilyId, UserId};
use crate::time::Timestamp;

/// Whom an access token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTokenSubject {
    Client,
    User {
        id: UserId,
        business: Option<BusinessId>,
        session: Option<FamilyId>,
        epoch: u64,
    },
}

/// The content of an access token before it is signed (RFC 9068 section 2.2).
/// Issuer and audience are the signer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// `jti`.
    pub id: String,
    pub client: ClientId,
    /// The client's epoch as the mint read it; the token is dead once the client has another.
    pub client_epoch: u64,
    pub subject: AccessTokenSubject,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    /// `iat`, whole seconds.
    pub issued_at: Timestamp,
    /// `exp`, whole seconds.
    pub expires_at: Timestamp,
}

impl AccessToken {
    /// The token, dead by `end` where there is one: it outlives nothing that it was made of.
    #[must_use]
    pub fn ending_by(mut self, end: Option<Timestamp>) -> Self {
        let end = end.and_then(|end| Timestamp::from_second(end.as_second()).ok());
        if let Some(end) = end {
            self.expires_at = self.expires_at.min(end);
        }
        self
    }
}
