//! Stores that return stale data, like an old primary that was cut off. Only linearizable reads are current.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::lock_status::LockStatus;
use domain::sessions::{Nonce, PresentedToken, RefreshFamily, RevocationReason, SignInStatus};
use domain::time::Timestamp;
use domain::tokens::{Consumption, ValidationToken, ValidationTokenHash};
use ports::sessions::{ActiveFamilies, CloseOutcome, RefreshFamilies, RotationOutcome, SignInStatuses};
use ports::tokens::ValidationTokens;
use ports::{LockStatuses, StoreError, Stores};

/// Returns stores that find families in a past state (`None`: before they started), and no validation tokens.
/// Linearizable reads and reads after writes are current.
pub fn with_stale_reads(stores: &Stores, family: Option<&RefreshFamily>) -> Stores {
    Stores {
        validation_tokens: Arc::new(StaleValidationTokens(stores.validation_tokens.clone())),
        refresh_families: Arc::new(StaleFamilies {
            inner: stores.refresh_families.clone(),
            past: family.cloned(),
        }),
        ..stores.clone()
    }
}

/// Returns stores whose reads of locks and sign-ins after a write are stale: every user is unlocked, and no sessions were
/// ended.
pub fn with_stale_reads_after_writes(stores: &Stores) -> Stores {
    Stores {
        lock_statuses: Arc::new(StaleLockStatuses(stores.lock_statuses.clone())),
        sign_in_statuses: Arc::new(StaleSignInStatuses(stores.sign_in_statuses.clone())),
        ..stores.clone()
    }
}

struct StaleLockStatuses(Arc<dyn LockStatuses>);

#[async_trait]
impl LockStatuses for StaleLockStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        self.0.read_linearizable(user).await
    }

    async fn read_after_write(&self, _: &UserId) -> Result<LockStatus, StoreError> {
        Ok(LockStatus::default())
    }
}

struct StaleSignInStatuses(Arc<dyn SignInStatuses>);

#[async_trait]
impl SignInStatuses for StaleSignInStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        self.0.read_linearizable(user).await
    }

    async fn read_after_write(&self, _: &UserId) -> Result<SignInStatus, StoreError> {
        Ok(SignInStatus::default())
    }
}

struct StaleValidationTokens(Arc<dyn ValidationTokens>);

#[async_trait]
impl ValidationTokens for StaleValidationTokens {
    async fn issue(&self, token: &ValidationToken) -> Result<bool, StoreError> {
        self.0.issue(token).await
    }

    async fn find(&self, _: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        Ok(None)
    }

    async fn read_linearizable(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        self.0.read_linearizable(hash).await
    }

    async fn consume(
        &self,
        hash: &ValidationTokenHash,
        client: &ClientId,
        consumption: Consumption,
    ) -> Result<bool, StoreError> {
        self.0.consume(hash, client, consumption).await
    }
}

struct StaleFamilies {
    inner: Arc<dyn RefreshFamilies>,
    past: Option<RefreshFamily>,
}

#[async_trait]
impl RefreshFamilies for StaleFamilies {
    async fn find(&self, _: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        Ok(self.past.clone())
    }

    async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.inner.read_linearizable(id).await
    }

    async fn read_after_write(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.inner.read_after_write(id).await
    }

    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<bool, StoreError> {
        self.inner.start(family, event).await
    }

    async fn rotate(
        &self,
        presented: &PresentedToken,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<RotationOutcome, StoreError> {
        self.inner.rotate(presented, nonce, now, idle_lifetime).await
    }

    async fn close(
        &self,
        presented: &PresentedToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<CloseOutcome, StoreError> {
        self.inner.close(presented, now, grace).await
    }

    async fn list_active(
        &self,
        families: &ActiveFamilies,
        after: Option<&FamilyId>,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        self.inner.list_active(families, after, limit).await
    }

    async fn find_least_recent(
        &self,
        families: &ActiveFamilies,
        client: &ClientId,
        kept: usize,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        self.inner.find_least_recent(families, client, kept, limit).await
    }

    async fn stamp(&self, id: &FamilyId, sessions_version: u64) -> Result<(), StoreError> {
        self.inner.stamp(id, sessions_version).await
    }

    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError> {
        self.inner.revoke(id, reason, event).await
    }

    async fn erase_user(&self, user: &UserId, limit: usize) -> Result<bool, StoreError> {
        self.inner.erase_user(user, limit).await
    }
}
