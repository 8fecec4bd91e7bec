use std::sync::Arc;

use domain::factors::FactorSet;
use domain::ids::UserId;
use domain::removal::RemovalPart;
use futures_util::future::BoxFuture;
use ports::LockStatuses;
use ports::factors::FactorSets;

use crate::UseCaseError;
use crate::removed_users::PartEraser;
use crate::saving::{MAX_SAVE_ATTEMPTS, is_saved};

/// Erases the contacts and codes of a removed user. The empty set is saved even if no set was stored, so that an edit
/// that was decided before the removal and arrives later conflicts with it. It keeps the epoch that the removal raised
/// before, so that no token of the removed user reads or changes the contacts of a later user of the id.
pub struct FactorEraser {
    pub factor_sets: Arc<dyn FactorSets>,
    pub lock_statuses: Arc<dyn LockStatuses>,
}

impl FactorEraser {
    async fn erase(&self, user: &UserId) -> Result<bool, UseCaseError> {
        let epoch = self.lock_statuses.read_linearizable(user).await?.epoch;
        for _ in 0..MAX_SAVE_ATTEMPTS {
            let found = self.factor_sets.read_linearizable(user).await?;
            let found = found.unwrap_or_else(|| FactorSet::empty(user.clone()));
            let erased = found.after_removal(epoch);
            if is_saved(self.factor_sets.save_if_version(&erased, Vec::new()).await?)? {
                return Ok(true);
            }
        }
        Err(UseCaseError::Contended)
    }
}

impl PartEraser for FactorEraser {
    fn part(&self) -> RemovalPart {
        RemovalPart::Factors
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<bool, UseCaseError>> {
        Box::pin(self.erase(user))
    }
}
