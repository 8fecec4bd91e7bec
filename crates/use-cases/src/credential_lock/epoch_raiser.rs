use std::sync::Arc;

use domain::credential_lock::CredentialLock;
use domain::ids::UserId;
use domain::removal::RemovalPart;
use futures_util::future::BoxFuture;
use ports::VersionedStore;

use crate::UseCaseError;
use crate::removed_users::PartEraser;
use crate::saving::{MAX_SAVE_ATTEMPTS, is_saved};

/// Raises the epoch of a removed user's credential. A lock stays. A repeated call raises the epoch once more, which
/// does no harm: no token has the epoch in between.
pub struct EpochRaiser(pub Arc<dyn VersionedStore<CredentialLock>>);

impl EpochRaiser {
    async fn raise(&self, user: &UserId) -> Result<bool, UseCaseError> {
        for _ in 0..MAX_SAVE_ATTEMPTS {
            let found = self.0.read_linearizable(user).await?;
            let found = found.unwrap_or_else(|| CredentialLock::never_locked(user.clone()));
            let raised = found.after_removal();
            if is_saved(self.0.save_if_version(&raised, Vec::new()).await?)? {
                return Ok(true);
            }
        }
        Err(UseCaseError::Contended)
    }
}

impl PartEraser for EpochRaiser {
    fn part(&self) -> RemovalPart {
        RemovalPart::CredentialLock
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<bool, UseCaseError>> {
        Box::pin(self.raise(user))
    }
}
