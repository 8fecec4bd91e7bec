use std::sync::Arc;

use domain::caller::{CallingUser, VerifiedToken};
use domain::ids::{ClientId, FamilyId, UserId};
use domain::time::Timestamp;
use domain::tokens::{RefreshFamily, RefreshToken};
use ports::{Clock, CredentialStandings, StoreFailure};

use super::TokensPorts;
use super::inspected_token::InspectedToken;
use super::sessions::{Look, Sessions};

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

/// Tells whether a token is good now (RFC 7662): a locked user's is not, from the lock's answer on. It changes nothing, not
/// even when a spent refresh token is asked about.
pub struct IntrospectToken {
    sessions: Arc<Sessions>,
    standings: Arc<dyn CredentialStandings>,
    clock: Arc<dyn Clock>,
}

impl IntrospectToken {
    pub(super) fn new(ports: &TokensPorts, sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            standings: ports.standings.clone(),
            clock: ports.clock.clone(),
        }
    }

    /// What was dead once is dead for good, so an answer of several reads is true of the moment of the first.
    pub async fn run(&self, token: &InspectedToken) -> Result<Introspection, StoreFailure> {
        let found = match token {
            InspectedToken::Access(token) => self
                .is_active(token)
                .await?
                .then(|| Introspection::AccessToken(token.clone())),
            InspectedToken::Other(text) => match self.sessions.opened(text) {
                Some(token) => self.active(&token).await?.map(Introspection::RefreshToken),
                None => None,
            },
        };
        Ok(found.unwrap_or(Introspection::Inactive))
    }

    async fn is_active(&self, token: &VerifiedToken) -> Result<bool, StoreFailure> {
        let Some(CallingUser { id, session, epoch, .. }) = &token.caller.user else {
            return Ok(true);
        };
        if let Some(session) = session {
            let family = self.sessions.look(session, Look::Alone).await?;
            match family.filter(|family| family.is_alive(self.clock.now())) {
                Some(family) if self.has_root(&family).await? => {}
                Some(_) | None => return Ok(false),
            }
        }
        self.stands(id, *epoch).await
    }

    async fn active(&self, token: &RefreshToken) -> Result<Option<ActiveRefreshToken>, StoreFailure> {
        let is_current = |family: &RefreshFamily| family.is_alive(self.clock.now()) && family.current_token() == *token;
        let found = self.sessions.look(&token.family, Look::Alone).await?;
        let Some(family) = found.filter(is_current) else {
            return Ok(None);
        };
        let origin = &family.origin;
        let is_active = self.has_root(&family).await? && self.stands(&origin.user, origin.epoch).await?;
        Ok(is_active.then(|| ActiveRefreshToken {
            expires_at: family.ends_at(),
            client: family.origin.client,
            user: family.origin.user,
            session: family.id,
        }))
    }

    async fn has_root(&self, family: &RefreshFamily) -> Result<bool, StoreFailure> {
        let root = &family.origin.root;
        Ok(family.is_root() || self.sessions.revocation_of(root, Look::Alone).await?.is_none())
    }

    async fn stands(&self, user: &UserId, epoch: u64) -> Result<bool, StoreFailure> {
        Ok(self.standings.look(user).await?.judge(epoch).is_ok())
    }
}
