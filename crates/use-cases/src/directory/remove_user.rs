use std::sync::Arc;

use domain::caller::{Call, Cause};
use domain::directory::{RemovalNotPermitted, check_removal, events};
use domain::identity::Identity;
use domain::ids::UserId;
use ports::{Clock, Groups, Identities, Randomness, RemovalOutcome, StoreError};

use crate::UseCaseError;

/// The reason why a user was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveUserError {
    #[error("the user is not known")]
    UserNotFound,
    #[error(transparent)]
    NotPermitted(#[from] RemovalNotPermitted),
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for RemoveUserError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Removes a user (docs/protocols.md "Removal of a user"). After the removal was acknowledged, the user is not known to
/// any request that begins then: one write erases the identity, and every other part of the user is erased by the
/// context that owns it.
pub struct RemoveUser {
    identities: Arc<dyn Identities>,
    groups: Arc<dyn Groups>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl RemoveUser {
    pub fn new(
        identities: Arc<dyn Identities>,
        groups: Arc<dyn Groups>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self {
            identities,
            groups,
            clock,
            randomness,
        }
    }

    /// Removes the user for a caller with the permission to remove users. A user who holds an administrator role needs
    /// more of the caller.
    #[tracing::instrument(
        level = "debug",
        name = "remove_user",
        skip_all,
        fields(client = call.client.as_str(), user = user.as_str())
    )]
    pub async fn run(&self, call: &Call, user: &UserId) -> Result<(), RemoveUserError> {
        let identity = self.find(user).await?;
        let groups = if identity.groups.is_empty() {
            Vec::new()
        } else {
            self.groups.find(&identity.groups).await?
        };
        check_removal(call, &identity, &groups)?;
        self.remove(Cause::Call(call), user).await
    }

    /// Removes the user for the operator who runs a command. An operator may remove any user.
    pub async fn run_for_operator(&self, operator: &str, user: &UserId) -> Result<(), RemoveUserError> {
        self.remove(Cause::Operator(operator), user).await
    }

    async fn find(&self, user: &UserId) -> Result<Identity, RemoveUserError> {
        let found = self.identities.find(user).await?;
        found.ok_or(RemoveUserError::UserNotFound)
    }

    async fn remove(&self, cause: Cause<'_>, user: &UserId) -> Result<(), RemoveUserError> {
        let now = self.clock.now();
        let event = events::removal_event(cause.event(self.randomness.event_id(now), now), user);
        match self.identities.remove(user, event).await? {
            RemovalOutcome::Removed => Ok(()),
            RemovalOutcome::NotFound => Err(RemoveUserError::UserNotFound),
            RemovalOutcome::OutboxFull => Err(UseCaseError::OutboxFull.into()),
        }
    }
}
