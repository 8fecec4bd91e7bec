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

    /// Returns the same, for a caller that saves the set: the owner as it was after the set was read, not before. So a
    /// contact cannot outlive its owner:
    ///
    /// - A removes the user. The set is erased under version 4.
    /// - B reads version 4, and then no owner. Or B has read version 3, and its save conflicts.
    /// - The wrong order: B reads the owner. A removes the user, the set is erased. B reads version 4 and saves a contact
    ///   of a removed user.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find_for_edit(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError>;
}
