//! The stores of sessions with an injector before each call.

use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::sessions::{Nonce, PresentedToken, RefreshFamily, RevocationReason, SignInStatus};
use domain::time::Timestamp;
use ports::StoreError;
use ports::sessions::{ActiveFamilies, CloseOutcome, RefreshFamilies, RotationOutcome, SignInStatuses};

use super::Faulty;

#[async_trait]
impl SignInStatuses for Faulty<dyn SignInStatuses> {
    async fn read_linearizable(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        let read = self.inner.read_linearizable(user);
        self.call("sign_in_statuses.read_linearizable", read).await
    }

    async fn read_after_write(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        let read = self.inner.read_after_write(user);
        self.call("sign_in_statuses.read_after_write", read).await
    }
}

#[async_trait]
impl RefreshFamilies for Faulty<dyn RefreshFamilies> {
    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.call("families.find", self.inner.find(id)).await
    }

    async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.call("families.read_linearizable", self.inner.read_linearizable(id))
            .await
    }

    async fn read_after_write(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.call("families.read_after_write", self.inner.read_after_write(id))
            .await
    }

    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<bool, StoreError> {
        self.call("families.start", self.inner.start(family, event)).await
    }

    async fn rotate(
        &self,
        presented: &PresentedToken,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<RotationOutcome, StoreError> {
        self.call(
            "families.rotate",
            self.inner.rotate(presented, nonce, now, idle_lifetime),
        )
        .await
    }

    async fn close(
        &self,
        presented: &PresentedToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<CloseOutcome, StoreError> {
        self.call("families.close", self.inner.close(presented, now, grace))
            .await
    }

    async fn list_active(
        &self,
        families: &ActiveFamilies,
        after: Option<&FamilyId>,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        self.call("families.list_active", self.inner.list_active(families, after, limit))
            .await
    }

    async fn find_least_recent(
        &self,
        families: &ActiveFamilies,
        client: &ClientId,
        kept: usize,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        let found = self.inner.find_least_recent(families, client, kept, limit);
        self.call("families.find_least_recent", found).await
    }

    async fn stamp(&self, id: &FamilyId, sessions_version: u64) -> Result<(), StoreError> {
        self.call("families.stamp", self.inner.stamp(id, sessions_version))
            .await
    }

    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError> {
        self.call("families.revoke", self.inner.revoke(id, reason, event)).await
    }

    async fn erase_user(&self, user: &UserId, limit: usize) -> Result<bool, StoreError> {
        self.call("families.erase_user", self.inner.erase_user(user, limit))
            .await
    }
}
