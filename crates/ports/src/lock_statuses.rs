use async_trait::async_trait;
use domain::ids::UserId;
use domain::lock_status::LockStatus;

use crate::StoreError;

/// Looks at the lock of a user. At the root because every context looks, and none but `credential_lock` writes.
///
/// A user never locked stands at epoch 0. The standing is never cached. There are two looks because a store of several
/// replicas knows two prices: a look that stands alone has to ask the replicas for what is newest, one that follows a
/// write that changed something need only not fall behind that write.
#[async_trait]
pub trait LockStatuses: Send + Sync {
    /// The standing now: sees every write that was acknowledged, anywhere, before the look began. Linearizable.
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError>;

    /// The standing after a write that changed something and that this process was acknowledged: sees every write that was
    /// acknowledged, anywhere, before that one began. Causally consistent with it. This is the second half of store-then-look
    /// (03-protocols 2).
    ///
    /// A conditional write that matched nothing does not do: an old primary that has been cut off, and knows nothing of it
    /// yet, acknowledges such a write at once and answers this look from the past. After one, [`look`](Self::look) is due.
    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError>;
}
