//! Locking a user's credential.

mod lock_credential;
mod see_lock;
mod unlock_credential;

use std::sync::Arc;

use domain::caller::Call;
use domain::credential_lock::{Credential, LockCommand, LockReason, events};
use domain::ids::UserId;
use ports::credential_lock::Credentials;
use ports::{Clock, Identities, Randomness, Saving, Telemetry};

use crate::Failure;

pub use lock_credential::LockCredential;
pub use see_lock::{SeeLock, SeeLockError};
pub use unlock_credential::UnlockCredential;

/// How often a turn that met another's is decided anew; each meeting is somebody else's success.
const ATTEMPTS: usize = 24;

/// Why a credential was neither locked nor unlocked.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("nobody locks or unlocks themselves: ask another administrator")]
    Oneself,
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<ports::StoreFailure> for TurnError {
    fn from(failure: ports::StoreFailure) -> Self {
        Self::Failed(failure.into())
    }
}

/// What the context needs from outside.
#[derive(Clone)]
pub struct CredentialLockPorts {
    pub credentials: Arc<dyn Credentials>,
    pub identities: Arc<dyn Identities>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    pub telemetry: Arc<dyn Telemetry>,
}

/// The use cases of the context.
pub struct CredentialLock {
    pub lock_credential: LockCredential,
    pub unlock_credential: UnlockCredential,
    pub see_lock: SeeLock,
}

impl CredentialLock {
    pub fn new(ports: &CredentialLockPorts) -> Self {
        let orders = || Orders {
            identities: ports.identities.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
        };
        Self {
            lock_credential: LockCredential::new(orders(), ports.credentials.clone(), ports.telemetry.clone()),
            unlock_credential: UnlockCredential::new(orders(), ports.credentials.clone(), ports.telemetry.clone()),
            see_lock: SeeLock::new(ports.identities.clone(), ports.credentials.clone()),
        }
    }
}

/// Turns a request into a command, once caller and user are known to be in order.
struct Orders {
    identities: Arc<dyn Identities>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Orders {
    async fn order(&self, call: &Call, user: UserId, reason: Option<LockReason>) -> Result<LockCommand, TurnError> {
        // Whoever locked themselves could not undo it, and whoever unlocked themselves would undo what another meant.
        if call.user_id() == Some(&user) {
            return Err(TurnError::Oneself);
        }
        if self.identities.find(&user).await?.is_none() {
            return Err(TurnError::UserNotFound);
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
/// when another saved in between. Returns whether this call turned it.
///
/// A credential that is as it should be is saved, too. A lock that a caller gave up on, and that reaches the store only
/// after a later unlock was answered, then finds another version and does nothing. The loop runs while the caller waits:
/// dropped with the request, it decides nothing more.
async fn turn(
    credentials: &dyn Credentials,
    command: &LockCommand,
    rule: fn(&Credential, &LockCommand) -> Option<Credential>,
) -> Result<bool, Failure> {
    for _ in 0..ATTEMPTS {
        let found = credentials.find(&command.user).await?;
        let found = found.unwrap_or_else(|| Credential::unlocked(command.user.clone()));
        let turned = rule(&found, command);
        let told = turned.iter().map(|turned| events::turned(turned, command)).collect();
        let saving = credentials.save_if_version(turned.as_ref().unwrap_or(&found), told);
        match saving.await? {
            Saving::Saved => return Ok(turned.is_some()),
            Saving::Conflict => {}
            Saving::OutboxFull => return Err(Failure::OutboxFull),
        }
    }
    Err(Failure::Contended)
}
