//! The store of users, with a fault injector.

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::identity::Identity;
use domain::ids::UserId;
use domain::removal::{PendingRemoval, RemovalPart};
use ports::{Identities, IdentitySaveOutcome, RemovalOutcome, StoreError};

use super::Faulty;

#[async_trait]
impl Identities for Faulty<dyn Identities> {
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError> {
        self.call("identities.find", self.inner.find(id)).await
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        self.call("identities.find_by_login", self.inner.find_by_login(login))
            .await
    }

    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        self.call("identities.create", self.inner.create(identity)).await
    }

    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        self.inner.replace(identity).await
    }

    async fn remove(&self, id: &UserId, event: NewEvent) -> Result<RemovalOutcome, StoreError> {
        self.call("identities.remove", self.inner.remove(id, event)).await
    }

    async fn pending_removals(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        self.inner.pending_removals(after, limit).await
    }

    async fn release_logins(&self, id: &UserId) -> Result<(), StoreError> {
        self.call("identities.release_logins", self.inner.release_logins(id))
            .await
    }

    async fn finish_removal(&self, id: &UserId, part: RemovalPart) -> Result<(), StoreError> {
        self.call("identities.finish_removal", self.inner.finish_removal(id, part))
            .await
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        self.inner.page(after, limit).await
    }
}
