use async_trait::async_trait;
use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;

use crate::{StoreError, VersionedStore};

/// The store of factor sets. A user without a stored one has an empty set.
#[async_trait]
pub trait FactorSets: VersionedStore<FactorSet> {
    /// Returns a user and the user's stored set, with the consistency of [`VersionedStore::find`]; `None` if there is no
    /// such user. A store that holds both in one place reads both in one read.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError>;
}
