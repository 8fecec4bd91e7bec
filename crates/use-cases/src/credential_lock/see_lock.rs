use std::sync::Arc;

use domain::credential_lock::Credential;
use domain::ids::UserId;
use ports::credential_lock::Credentials;
use ports::{Identities, StoreFailure};

/// Why the lock is not told.
#[derive(Debug, thiserror::Error)]
pub enum SeeLockError {
    #[error("the user is not known")]
    UserNotFound,
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Tells whether a user's credential is locked, since when and under which epoch.
pub struct SeeLock {
    identities: Arc<dyn Identities>,
    credentials: Arc<dyn Credentials>,
}

impl SeeLock {
    pub(super) fn new(identities: Arc<dyn Identities>, credentials: Arc<dyn Credentials>) -> Self {
        Self {
            identities,
            credentials,
        }
    }

    pub async fn run(&self, user: UserId) -> Result<Credential, SeeLockError> {
        if self.identities.find(&user).await?.is_none() {
            return Err(SeeLockError::UserNotFound);
        }
        Ok(self
            .credentials
            .find(&user)
            .await?
            .unwrap_or_else(|| Credential::unlocked(user)))
    }
}
