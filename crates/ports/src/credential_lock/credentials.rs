use async_trait::async_trait;
use domain::credential_lock::{Credential, LockCommand};
use domain::ids::UserId;

use crate::StoreFailure;

/// What a lock or unlock came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// This call turned it; its event is in the outbox by the same write.
    Turned(Credential),
    /// It was so already; no event.
    Already,
    /// Too many events wait to be published; nothing was written.
    OutboxFull,
}

/// The credentials' locks. A user without one was never locked.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The credential now: sees every write that was acknowledged, anywhere, before the call. Linearizable, since it is asked
    /// whether a lock holds, and absence says no.
    async fn find(&self, user: &UserId) -> Result<Option<Credential>, StoreFailure>;

    /// Locks: one atomic write of state, epoch and event. Durable on every replica a look may ask before it answers,
    /// so no look that begins afterwards sees it unlocked. A repeated call is `Already`.
    async fn lock(&self, command: &LockCommand) -> Result<Turn, StoreFailure>;

    /// Unlocks: one atomic write; the epoch stays. A repeated call is `Already`.
    async fn unlock(&self, command: &LockCommand) -> Result<Turn, StoreFailure>;
}
