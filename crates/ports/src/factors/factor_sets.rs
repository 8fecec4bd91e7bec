use async_trait::async_trait;
use domain::event::NewEvent;
use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;

use crate::{SaveOutcome, StoreError};

/// The alternative contacts of each user, and the codes sent to any of theirs.
#[async_trait]
pub trait FactorSets: Send + Sync {
    /// The set; a user who added nothing has an empty one of version 0.
    async fn find(&self, user: &UserId) -> Result<FactorSet, StoreError>;

    /// The set together with the user it belongs to, in one read where the store keeps both; `None` when there is no such
    /// user.
    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, FactorSet)>, StoreError>;

    /// Atomic: stores the set and its events when the stored version is still `set.version`, and raises it.
    /// A repeated call is a conflict. To be called also when nothing changes, before that is answered: the raised version
    /// is what keeps a write out that was given up before and is still on its way.
    async fn save_if_version(&self, set: &FactorSet, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError>;
}
