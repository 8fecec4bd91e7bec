use std::sync::Arc;

use domain::caller::{Call, Caller, VerifiedToken};
use domain::ids::FamilyId;
use domain::sessions::RevocationReason;
use ports::StoreError;

use super::inspected_token::InspectedToken;
use crate::UseCaseError;
use crate::sessions::{Issuance, Sessions};

/// The reason why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeTokenError {
    #[error("an access token without a session cannot be revoked, it ends at its exp")]
    NotRevocable,
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for RevokeTokenError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Revokes the session of a token, as at a logout (RFC 7009). An unknown token and a session that is no longer active
/// are not errors.
pub struct RevokeToken {
    sessions: Arc<Sessions>,
}

impl RevokeToken {
    pub(super) fn new(issuance: &Issuance) -> Self {
        Self {
            sessions: issuance.sessions.clone(),
        }
    }

    /// Revokes the session that a refresh token of any generation, or an access token, names. Its branches become
    /// inactive with it. A token of another client or user counts as unknown: nothing changes.
    #[tracing::instrument(
        level = "debug",
        name = "revoke_token",
        skip_all,
        fields(client = call.client.as_str(), session = tracing::field::Empty)
    )]
    pub async fn run(&self, call: &Call, token: &InspectedToken) -> Result<(), RevokeTokenError> {
        let session = match token {
            InspectedToken::Access(token) => session_of(call, token)?,
            InspectedToken::Other(text) => self.sessions.verify_refresh_token(text).map(|token| token.family),
        };
        let Some(session) = session else { return Ok(()) };
        tracing::Span::current().record("session", session.as_str());
        let Some(family) = self.sessions.find(&session).await? else {
            return Ok(());
        };
        if call.owns(&family.origin.client, &family.origin.user) {
            self.sessions
                .revoke_family(call, &family, RevocationReason::Logout)
                .await?;
        }
        Ok(())
    }
}

/// Returns the session of the caller's own access token; `None` for another caller's token. Fails if it has no session.
fn session_of(caller: &Caller, token: &VerifiedToken) -> Result<Option<FamilyId>, RevokeTokenError> {
    let Caller { client, user, .. } = &*token.caller;
    let is_own = match user {
        Some(user) => caller.owns(client, &user.id),
        None => caller.client == *client,
    };
    if !is_own {
        return Ok(None);
    }
    let session = user.as_ref().and_then(|user| user.session.clone());
    session.map(Some).ok_or(RevokeTokenError::NotRevocable)
}
