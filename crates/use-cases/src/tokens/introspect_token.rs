use std::sync::Arc;

use domain::caller::VerifiedToken;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::sessions::{RefreshFamily, RefreshToken};
use domain::time::Timestamp;
use ports::{Clock, StoreError};

use super::TokensPorts;
use super::inspected_token::InspectedToken;
use crate::sessions::{ActiveCheck, ActiveCheckError, Issuance, Sessions};

/// A refresh token that a renewal would rotate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRefreshToken {
    pub client: ClientId,
    pub user: UserId,
    pub session: FamilyId,
    /// The first instant at which it is expired, unless it is renewed before.
    pub expires_at: Timestamp,
}

/// The result of an introspection. It gives no reason why a token is inactive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Introspection {
    AccessToken(Arc<VerifiedToken>),
    RefreshToken(ActiveRefreshToken),
    Inactive,
}

/// Returns whether a token is active (RFC 7662), by the same active check that operations make. It changes nothing: a
/// spent refresh token is inactive here, and revokes nothing.
pub struct IntrospectToken {
    sessions: Arc<Sessions>,
    active_check: ActiveCheck,
    clock: Arc<dyn Clock>,
}

impl IntrospectToken {
    pub(super) fn new(ports: &TokensPorts, issuance: &Issuance) -> Self {
        Self {
            sessions: issuance.sessions.clone(),
            active_check: issuance.active_check.clone(),
            clock: ports.runtime.clock.clone(),
        }
    }

    /// Returns the token's content if it is active. The check consists of several reads. A token that has expired or
    /// was revoked never becomes active again, so the answer holds for the moment of the first read.
    #[tracing::instrument(level = "debug", name = "introspect_token", skip_all)]
    pub async fn run(&self, token: &InspectedToken) -> Result<Introspection, StoreError> {
        let found = match token {
            InspectedToken::Access(token) => is_active(self.active_check.check_caller(&token.caller).await)?
                .then(|| Introspection::AccessToken(token.clone())),
            InspectedToken::Other(text) => match self.sessions.verify_refresh_token(text) {
                Some(token) => self.find_active(&token).await?.map(Introspection::RefreshToken),
                None => None,
            },
        };
        Ok(found.unwrap_or(Introspection::Inactive))
    }

    async fn find_active(&self, token: &RefreshToken) -> Result<Option<ActiveRefreshToken>, StoreError> {
        let is_current =
            |family: &RefreshFamily| family.is_active(self.clock.now()) && family.current_token() == *token;
        let found = self.sessions.read_linearizable(&token.family).await?;
        let Some(family) = found.filter(is_current) else {
            return Ok(None);
        };
        let is_active = is_active(self.active_check.check_family(&family).await)?;
        Ok(is_active.then(|| ActiveRefreshToken {
            expires_at: family.ends_at(),
            client: family.origin.client,
            user: family.origin.user,
            session: family.id,
        }))
    }
}

fn is_active<T>(checked: Result<T, ActiveCheckError>) -> Result<bool, StoreError> {
    match checked {
        Ok(_) => Ok(true),
        Err(ActiveCheckError::Inactive(_)) => Ok(false),
        Err(ActiveCheckError::Store(error)) => Err(error),
    }
}
