//! Stores of aggregates with rules, with a fault injector.

use async_trait::async_trait;
use domain::credential_lock::CredentialLock;
use domain::event::NewEvent;
use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;
use ports::factors::FactorSets;
use ports::{SaveOutcome, StoreError, VersionedStore};

use super::Faulty;

#[async_trait]
impl VersionedStore<CredentialLock> for Faulty<dyn VersionedStore<CredentialLock>> {
    async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        self.call("credential_locks.find", self.inner.find(user)).await
    }

    async fn read_linearizable(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        self.call("credential_locks.read_linearizable", self.inner.read_linearizable(user))
            .await
    }

    async fn save_if_version(&self, lock: &CredentialLock, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        self.call(
            "credential_locks.save_if_version",
            self.inner.save_if_version(lock, events),
        )
        .await
    }
}

#[async_trait]
impl VersionedStore<FactorSet> for Faulty<dyn FactorSets> {
    async fn find(&self, user: &UserId) -> Result<Option<FactorSet>, StoreError> {
        self.call("factor_sets.find", self.inner.find(user)).await
    }

    async fn read_linearizable(&self, user: &UserId) -> Result<Option<FactorSet>, StoreError> {
        self.call("factor_sets.read_linearizable", self.inner.read_linearizable(user))
            .await
    }

    async fn save_if_version(&self, set: &FactorSet, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        self.call("factor_sets.save_if_version", self.inner.save_if_version(set, events))
            .await
    }
}

#[async_trait]
impl FactorSets for Faulty<dyn FactorSets> {
    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError> {
        self.call("factor_sets.find_with_owner", self.inner.find_with_owner(user))
            .await
    }

    async fn find_for_edit(&self, user: &UserId) -> Result<Option<(Identity, Option<FactorSet>)>, StoreError> {
        self.call("factor_sets.find_for_edit", self.inner.find_for_edit(user))
            .await
    }
}
