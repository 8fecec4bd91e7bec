use async_trait::async_trait;
use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;
use futures_util::future::try_join;
use mongodb::bson::doc;
use ports::factors::FactorSets;
use ports::{IDENTITIES, Identities as _, StoreError, Versioned as _, VersionedStore as _};
use stored_forms::factors::FactorSetForm;
use stored_forms::{Corrupt, IdentityForm, StoredForm as _};

use crate::bson_codec::Bson;
use crate::driver_session::CausalSession;
use crate::error::MongodbError;
use crate::identities::MongodbIdentities;
use crate::owners::UniqueNameOwner as _;
use crate::versioned_store::MongodbVersioned;

#[async_trait]
impl FactorSets for MongodbVersioned<FactorSetForm<Bson>> {
    /// Two reads at the same time: the server would run a `$lookup` more slowly than both.
    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError> {
        let identities = MongodbIdentities(self.database().clone());
        let (owner, set) = try_join(identities.find(user), self.find(user)).await?;
        Ok(owner.map(|owner| (owner, set)))
    }

    /// Two reads in one session, so that the second one is causally after the first.
    async fn find_for_edit(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError> {
        let id = doc! { "_id": user.as_str() };
        let read = |mut session: CausalSession| async move {
            let set = session
                .find_one::<FactorSetForm<Bson>>(FactorSet::AGGREGATE.name, id.clone())
                .await?;
            let owner = session.find_one::<IdentityForm>(IDENTITIES.name, id).await?;
            Ok((set, owner))
        };
        let (set, owner) = self.database().read_in_session(read).await?;
        let corrupt = |error: Corrupt| MongodbError::corrupt(FactorSet::AGGREGATE.name, user.as_str(), error.0);
        let set = set.map(|form| form.read(user.as_str())).transpose().map_err(corrupt)?;
        let owner = owner.map_or(Ok(None), |form| Identity::from_form(user.as_str(), form));
        let owner = match owner.map_err(|error| MongodbError::corrupt(IDENTITIES.name, user.as_str(), error.0))? {
            Some(owner) => Some(owner),
            None => MongodbIdentities(self.database().clone()).find(user).await?,
        };
        Ok(owner.map(|owner| (owner, set)))
    }
}
