use async_trait::async_trait;
use domain::ids::UserId;
use domain::lock_status::LockStatus;

use crate::StoreError;

/// Reads the lock status of a user. The port is at the root because every context reads it; only `credential_lock`
/// writes it.
///
/// A user who was never locked has epoch 0. A lock status is never cached. There are two reads because their cost
/// differs on a replica set: [`read_linearizable`](Self::read_linearizable) has the primary confirm with a majority
/// that it still is the primary, [`read_after_write`](Self::read_after_write) relies on the confirmation of an earlier
/// write.
#[async_trait]
pub trait LockStatuses: Send + Sync {
    /// Returns the present lock status. Linearizable: it sees every write that was acknowledged to any process before
    /// the read began.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never an unlocked status instead.
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError>;

    /// Returns the lock status after a write of this process that matched and was acknowledged. Causally consistent: it
    /// sees every write that was acknowledged to any process before that write began. It is the check in "store, then
    /// check" (`docs/protocols.md` "Mint gate"):
    ///
    /// - A rotates a token. B locks the user and gets its 204. A reads: locked. The new token never leaves the process.
    ///
    /// After a conditional write that matched nothing, [`read_linearizable`](Self::read_linearizable) is required:
    ///
    /// - P1 is the primary and is cut off without knowing it; the other replicas elect P2. B locks the user at P2 and
    ///   gets its 204. A still talks to P1 and presents a spent token. Its update matches nothing, so P1 has nothing to
    ///   replicate and acknowledges it immediately. P1 answers a causal read with its old state: unlocked. For a
    ///   linearizable read it would have to confirm that it is the primary, which it cannot.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never an unlocked status instead.
    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError>;
}
