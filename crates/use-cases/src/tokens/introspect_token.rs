use std::sync::Arc;

use domain::caller::VerifiedToken;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::time::Timestamp;
use domain::tokens::{RefreshFamily, RefreshToken};
use ports::{Clock, StoreError};

use super::TokensPorts;
use super::inspected_token::InspectedToken;
use super::sessions::Sessions;
use crate::{ActiveCheck, ActiveCheckError};

/// A refresh token that would be renewed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRefreshToken {
    pub client: ClientId,
    pub user: UserId,
    pub session: FamilyId,
    /// First instant at which it is dead unless renewed before.
    pub expires_at: Timestamp,
}

/// What is told of a token. Why one is not active is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Introspection {
    AccessToken(Arc<VerifiedToken>),
    RefreshToken(ActiveRefreshToken),
    Inactive,
}

/// Tells whether a token is good now (RFC 7662): one that is not alive is inactive, from the moment on that what ended it was
/// answered. It changes nothing, not even when a spent refresh token is asked about.
pub struct IntrospectToken {
    sessions: Arc<Sessions>,
    active_check: ActiveCheck,
    clock: Arc<dyn Clock>,
}

impl IntrospectToken {
    pub(super) fn new(ports: &TokensPorts, sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            active_check: ActiveCheck::new(ports.into()),
            clock: ports.clock.clone(),
        }
    }

    /// What was dead once is dead for good, so an answer of several reads is true of the moment of the first.
    pub async fn run(&self, token: &InspectedToken) -> Result<Introspection, StoreError> {
        let found = match token {
            InspectedToken::Access(token) => is_alive(self.active_check.of_caller(&token.caller).await)?
                .then(|| Introspection::AccessToken(token.clone())),
            InspectedToken::Other(text) => match self.sessions.verify_refresh_token(text) {
                Some(token) => self.active(&token).await?.map(Introspection::RefreshToken),
                None => None,
            },
        };
        Ok(found.unwrap_or(Introspection::Inactive))
    }

    async fn active(&self, token: &RefreshToken) -> Result<Option<ActiveRefreshToken>, StoreError> {
        let is_current =
            |family: &RefreshFamily| family.is_active(self.clock.now()) && family.current_token() == *token;
        let found = self.sessions.look(&token.family).await?;
        let Some(family) = found.filter(is_current) else {
            return Ok(None);
        };
        let is_active = is_alive(self.active_check.of_family(&family).await)?;
        Ok(is_active.then(|| ActiveRefreshToken {
            expires_at: family.ends_at(),
            client: family.origin.client,
            user: family.origin.user,
            session: family.id,
        }))
    }
}

fn is_alive<T>(looked: Result<T, ActiveCheckError>) -> Result<bool, StoreError> {
    match looked {
        Ok(_) => Ok(true),
        Err(ActiveCheckError::Inactive(_)) => Ok(false),
        Err(ActiveCheckError::Failed(failure)) => Err(failure),
    }
}
