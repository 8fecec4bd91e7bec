use std::sync::Arc;

use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;
use futures_util::future::try_join;
use ports::{Identities, StoreError, VersionedStore};

use super::FactorsPorts;

/// Reads factor sets together with the users that they belong to.
pub(super) struct OwnedFactorSets {
    identities: Arc<dyn Identities>,
    factor_sets: Arc<dyn VersionedStore<FactorSet>>,
}

impl OwnedFactorSets {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            identities: ports.stores.identities.clone(),
            factor_sets: ports.stores.factor_sets.clone(),
        }
    }

    /// Returns a user and the user's set, without the contacts that are credential contacts by now; `None` if there is
    /// no such user.
    pub(super) async fn find(&self, user: &UserId) -> Result<Option<(Identity, FactorSet)>, StoreError> {
        let (owner, set) = try_join(self.identities.find(user), self.factor_sets.find(user)).await?;
        let Some(owner) = owner else { return Ok(None) };
        let mut set = set.unwrap_or_else(|| FactorSet::empty(user.clone()));
        set.remove_credential_duplicates(&owner);
        Ok(Some((owner, set)))
    }
}
