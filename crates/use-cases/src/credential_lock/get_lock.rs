use std::sync::Arc;

use domain::credential_lock::CredentialLock;
use domain::ids::UserId;
use ports::{Identities, StoreError, VersionedStore};

/// The reason why the lock cannot be returned.
#[derive(Debug, thiserror::Error)]
pub enum GetLockError {
    #[error("the user is not known")]
    UserNotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns the lock of a user's credential. A user who was never locked is unlocked, at epoch 0.
pub struct GetLock {
    identities: Arc<dyn Identities>,
    credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
}

impl GetLock {
    pub(super) fn new(
        identities: Arc<dyn Identities>,
        credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
    ) -> Self {
        Self {
            identities,
            credential_locks,
        }
    }

    #[tracing::instrument(level = "debug", name = "get_lock", skip_all, fields(user = user.as_str()))]
    pub async fn run(&self, user: UserId) -> Result<CredentialLock, GetLockError> {
        if self.identities.find(&user).await?.is_none() {
            return Err(GetLockError::UserNotFound);
        }
        Ok(self
            .credential_locks
            .read_linearizable(&user)
            .await?
            .unwrap_or_else(|| CredentialLock::never_locked(user)))
    }
}
