use std::sync::Arc;

use domain::caller::{Call, Caller, VerifiedToken};
use domain::ids::FamilyId;
use domain::tokens::RevocationReason;
use ports::StoreError;

use super::inspected_token::InspectedToken;
use super::sessions::Sessions;
use crate::UseCaseError;

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeTokenError {
    #[error("an access token without a session cannot be revoked, it ends at its exp")]
    NotRevocable,
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for RevokeTokenError {
    fn from(failure: StoreError) -> Self {
        Self::Failed(failure.into())
    }
}

/// Ends the session of a token, as at a logout (RFC 7009). What is dead or unknown already is as the caller wants it.
pub struct RevokeToken {
    sessions: Arc<Sessions>,
}

impl RevokeToken {
    pub(super) fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions }
    }

    /// A refresh token of any generation names its family, an access token its session. With a session its branches end. What
    /// was made for another client or user is as unknown: nothing changes.
    pub async fn run(&self, call: &Call, token: &InspectedToken) -> Result<(), RevokeTokenError> {
        let named = match token {
            InspectedToken::Access(token) => session_of(call, token)?,
            InspectedToken::Other(text) => self.sessions.verify_refresh_token(text).map(|token| token.family),
        };
        let Some(named) = named else { return Ok(()) };
        let Some(family) = self.sessions.find_named(&named).await? else {
            return Ok(());
        };
        if call.owns(&family.origin.client, &family.origin.user) {
            self.sessions.end(call, &family, RevocationReason::Logout).await?;
        }
        Ok(())
    }
}

/// The session of an access token of the caller; `None` for another's token.
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
