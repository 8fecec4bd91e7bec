use async_trait::async_trait;
use domain::credential_lock::CredentialLock;
use domain::event::NewEvent;
use domain::ids::UserId;

use crate::{SaveOutcome, StoreError};

/// The store of credential locks. A user without one was never locked.
#[async_trait]
pub trait CredentialLocks: Send + Sync {
    /// Returns the present lock. Linearizable, because absence means unlocked: it sees every write that was
    /// acknowledged to any process before the call.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never `None` instead.
    async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError>;

    /// Stores the lock and its events in one atomic write if the stored version is still `credential.version`, and
    /// raises the version. When it returns `Saved`, the write is durable on a majority, so no linearizable read that
    /// begins afterwards returns the state before. A repeated call is a conflict.
    ///
    /// Callers save an unchanged lock as well, before they answer. Scenario: U is locked, version 3. A unlocks: it
    /// reads version 3, and its write is delayed in the network. A gets 503. B locks: U is locked already, so B saves
    /// version 4 and gets its 204. A's write arrives and matches nothing. Without B's save it would unlock U.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a conflict and a full outbox are outcomes.
    async fn save_if_version(
        &self,
        credential: &CredentialLock,
        events: Vec<NewEvent>,
    ) -> Result<SaveOutcome, StoreError>;
}
