use async_trait::async_trait;
use domain::credential_lock::CredentialLock;
use domain::event::NewEvent;
use domain::ids::UserId;

use crate::{SaveOutcome, StoreError};

/// The credentials' locks. A user without one was never locked.
#[async_trait]
pub trait CredentialLocks: Send + Sync {
    /// The credential now: sees every write that was acknowledged, anywhere, before the call. Linearizable, since it is asked
    /// whether a lock holds, and absence says no.
    async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError>;

    /// Atomic: stores the credential and its events when the stored version is still `credential.version`, and raises it.
    /// Durable on every replica a look may ask before it answers, so no look that begins afterwards sees what was before.
    /// A repeated call is a conflict. To be called also when nothing changes, before that is answered: the raised version
    /// is what keeps a write out that was given up before and is still on its way.
    async fn save_if_version(
        &self,
        credential: &CredentialLock,
        events: Vec<NewEvent>,
    ) -> Result<SaveOutcome, StoreError>;
}
