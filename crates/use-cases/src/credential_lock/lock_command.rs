use std::sync::Arc;

use domain::caller::Cause;
use domain::credential_lock::{CredentialLock, LockCommand, LockReason, events};
use domain::ids::UserId;
use ports::{Clock, Identities, Randomness, VersionedStore};

use crate::UseCaseError;
use crate::saving::{MAX_SAVE_ATTEMPTS, is_saved};

/// The reason why a credential was neither locked nor unlocked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("a user cannot lock or unlock their own credential; another administrator can")]
    OwnCredential,
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<ports::StoreError> for LockError {
    fn from(error: ports::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Builds the command of a request, after checking caller and user.
pub(super) struct LockCommandFactory {
    pub(super) identities: Arc<dyn Identities>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) randomness: Arc<dyn Randomness>,
}

impl LockCommandFactory {
    pub(super) async fn build(
        &self,
        cause: Cause<'_>,
        user: UserId,
        reason: Option<LockReason>,
    ) -> Result<LockCommand, LockError> {
        // Users who locked themselves could not undo it. Users who unlocked themselves would undo another
        // administrator's lock.
        if cause.call().and_then(|call| call.user_id()) == Some(&user) {
            return Err(LockError::OwnCredential);
        }
        if self.identities.find(&user).await?.is_none() {
            return Err(LockError::UserNotFound);
        }
        let time = self.clock.now();
        let context = cause.event(self.randomness.event_id(time), time);
        Ok(LockCommand { user, reason, context })
    }
}

/// Carries out a lock command (docs/protocols.md "Lock commands"). Returns whether this call changed the credential.
///
/// 1. Reads the credential linearizably.
/// 2. Decides by `rule`: the changed credential with its event, or `None` if it is already in the requested state.
/// 3. Saves it, changed or not, if the stored version is still the one read. On a conflict it starts again at 1.
///
/// An unchanged credential is saved as well. Its raised version makes an older, delayed command conflict. Without it: U
/// is locked, version 3. A unlocks; its write is delayed in the network, and A gets 503. B locks, finds U locked and
/// would answer 204 without a write. A's write arrives, still finds version 3, and unlocks. With it: B saves version 4
/// before its 204, and A's write matches nothing.
///
/// The loop runs inside the request: if the caller hangs up, the future is dropped and decides nothing more.
pub(super) async fn decide_and_save(
    credential_locks: &dyn VersionedStore<CredentialLock>,
    command: &LockCommand,
    rule: fn(&CredentialLock, &LockCommand) -> Option<CredentialLock>,
) -> Result<bool, UseCaseError> {
    for _ in 0..MAX_SAVE_ATTEMPTS {
        let found = credential_locks.read_linearizable(&command.user).await?;
        let found = found.unwrap_or_else(|| CredentialLock::never_locked(command.user.clone()));
        let changed = rule(&found, command);
        let events = changed
            .iter()
            .map(|changed| events::lock_event(changed, command))
            .collect();
        let save = credential_locks.save_if_version(changed.as_ref().unwrap_or(&found), events);
        if is_saved(save.await?)? {
            return Ok(changed.is_some());
        }
    }
    Err(UseCaseError::Contended)
}
