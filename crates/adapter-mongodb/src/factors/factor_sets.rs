use async_trait::async_trait;
use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;
use futures_util::future::try_join;
use ports::factors::FactorSets;
use ports::{Identities as _, StoreError, VersionedStore as _};
use stored_forms::factors::FactorSetForm;

use crate::bson_codec::Bson;
use crate::identities::MongodbIdentities;
use crate::versioned_store::MongodbVersioned;

#[async_trait]
impl FactorSets for MongodbVersioned<FactorSetForm<Bson>> {
    /// Two reads at the same time: the server would run a `$lookup` more slowly than both.
    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError> {
        let identities = MongodbIdentities(self.database().clone());
        let (owner, set) = try_join(identities.find(user), self.find(user)).await?;
        Ok(owner.map(|owner| (owner, set)))
    }
}
