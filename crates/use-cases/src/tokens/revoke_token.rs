use std::sync::Arc;

use domain::caller::{Caller, VerifiedToken};
use domain::ids::FamilyId;
use domain::standing::NotStanding;
use domain::tokens::RevocationReason;
use ports::{CredentialStandings, StoreFailure};

use super::TokensPorts;
use super::inspected_token::InspectedToken;
use super::sessions::Sessions;
use crate::{Failure, caller_standing};

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeTokenError {
    #[error("the caller's own credential does not stand")]
    CallerNotStanding(#[source] NotStanding),
    #[error("the token was made for another client or user")]
    NotOwned,
    #[error("an access token without a session cannot be revoked, it ends at its exp")]
    NotRevocable,
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreFailure> for RevokeTokenError {
    fn from(failure: StoreFailure) -> Self {
        Self::Failed(failure.into())
    }
}

/// Ends the session of a token, as at a logout (RFC 7009). What is dead or unknown already is as the caller wants it.
pub struct RevokeToken {
    sessions: Arc<Sessions>,
    standings: Arc<dyn CredentialStandings>,
}

impl RevokeToken {
    pub(super) fn new(ports: &TokensPorts, sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            standings: ports.standings.clone(),
        }
    }

    /// A refresh token of any generation names its family, an access token its session. With a root its branches end.
    pub async fn run(&self, caller: &Caller, token: &InspectedToken) -> Result<(), RevokeTokenError> {
        caller_standing::look(&*self.standings, caller)
            .await?
            .map_err(RevokeTokenError::CallerNotStanding)?;
        let named = match token {
            InspectedToken::Access(token) => Some(session_of(caller, token)?),
            InspectedToken::Other(text) => self.sessions.opened(text).map(|token| token.family),
        };
        let Some(named) = named else { return Ok(()) };
        let Some(family) = self.sessions.find(&named).await? else {
            return Ok(());
        };
        if !caller.owns(&family.origin.client, &family.origin.user) {
            return Err(RevokeTokenError::NotOwned);
        }
        Ok(self.sessions.end(&family, RevocationReason::Logout).await?)
    }
}

fn session_of(caller: &Caller, token: &VerifiedToken) -> Result<FamilyId, RevokeTokenError> {
    let Caller { client, user, .. } = &*token.caller;
    let is_own = match user {
        Some(user) => caller.owns(client, &user.id),
        None => caller.client == *client,
    };
    if !is_own {
        return Err(RevokeTokenError::NotOwned);
    }
    let session = user.as_ref().and_then(|user| user.session.clone());
    session.ok_or(RevokeTokenError::NotRevocable)
}
