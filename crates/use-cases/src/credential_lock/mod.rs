//! Locking a user's credential.

mod get_lock;
mod lock_credential;
mod unlock_credential;

use std::sync::Arc;

use domain::caller::Call;
use domain::credential_lock::{CredentialLock, LockCommand, LockReason, events};
use domain::ids::UserId;
use ports::credential_lock::CredentialLocks;
use ports::{Clock, Identities, Randomness, SaveOutcome, Telemetry};

use crate::UseCaseError;

pub use get_lock::{GetLock, GetLockError};
pub use lock_credential::LockCredential;
pub use unlock_credential::UnlockCredential;

/// How often a turn that met another's is decided anew; each meeting is somebody else's success.
const ATTEMPTS: usize = 24;

/// Why a credential was neither locked nor unlocked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("nobody locks or unlocks themselves: ask another administrator")]
    OwnCredential,
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<ports::StoreError> for LockError {
    fn from(failure: ports::StoreError) -> Self {
        Self::Failed(failure.into())
    }
}

/// What the context needs from outside.
#[derive(Clone)]
pub struct CredentialLockPorts {
    pub credential_locks: Arc<dyn CredentialLocks>,
    pub identities: Arc<dyn Identities>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    pub telemetry: Arc<dyn Telemetry>,
}

/// The use cases of the context.
pub struct CredentialLockUseCases {
    pub lock_credential: LockCredential,
    pub unlock_credential: UnlockCredential,
    pub get_lock: GetLock,
}

impl CredentialLockUseCases {
    pub fn new(ports: &CredentialLockPorts) -> Self {
        let commands = || LockCommandFactory {
            identities: ports.identities.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
        };
        Self {
            lock_credential: LockCredential::new(commands(), ports.credential_locks.clone(), ports.telemetry.clone()),
            unlock_credential: UnlockCredential::new(
                commands(),
                ports.credential_locks.clone(),
                ports.telemetry.clone(),
            ),
            get_lock: GetLock::new(ports.identities.clone(), ports.credential_locks.clone()),
        }
    }
}

/// Turns a request into a command, once caller and user are known to be in order.
struct LockCommandFactory {
    identities: Arc<dyn Identities>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl LockCommandFactory {
    async fn build(&self, call: &Call, user: UserId, reason: Option<LockReason>) -> Result<LockCommand, LockError> {
        // Whoever locked themselves could not undo it, and whoever unlocked themselves would undo what another meant.
        if call.user_id() == Some(&user) {
            return Err(LockError::OwnCredential);
        }
        if self.identities.find(&user).await?.is_none() {
            return Err(LockError::UserNotFound);
        }
        let at = self.clock.now();
        Ok(LockCommand {
            user,
            reason,
            context: call.event(self.randomness.event_id(at), at),
        })
    }
}

/// Finds the credential, decides by `rule`, and saves what was decided under the version that was found; from the start
/// when another saved in between. Returns whether this call changed it.
///
/// A credential that is as it should be is saved, too. A lock that a caller gave up on, and that reaches the store only
/// after a later unlock was answered, then finds another version and does nothing. The loop runs while the caller waits:
/// dropped with the request, it decides nothing more.
async fn decide_and_save(
    credential_locks: &dyn CredentialLocks,
    command: &LockCommand,
    rule: fn(&CredentialLock, &LockCommand) -> Option<CredentialLock>,
) -> Result<bool, UseCaseError> {
    for _ in 0..ATTEMPTS {
        let found = credential_locks.find(&command.user).await?;
        let found = found.unwrap_or_else(|| CredentialLock::unlocked(command.user.clone()));
        let changed = rule(&found, command);
        let events = changed
            .iter()
            .map(|changed| events::lock_changed(changed, command))
            .collect();
        let save = credential_locks.save_if_version(changed.as_ref().unwrap_or(&found), events);
        match save.await? {
            SaveOutcome::Saved => return Ok(changed.is_some()),
            SaveOutcome::Conflict => {}
            SaveOutcome::OutboxFull => return Err(UseCaseError::OutboxFull),
        }
    }
    Err(UseCaseError::Contended)
}
