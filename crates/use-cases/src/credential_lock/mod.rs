//! Locking a user's credential.

mod lock_credential;
mod see_lock;
mod unlock_credential;

use std::sync::Arc;

use domain::caller::Call;
use domain::credential_lock::{LockCommand, LockReason};
use domain::ids::UserId;
use ports::credential_lock::Credentials;
use ports::{Clock, Identities, Randomness, Telemetry};

use crate::Failure;

pub use lock_credential::LockCredential;
pub use see_lock::{SeeLock, SeeLockError};
pub use unlock_credential::UnlockCredential;

/// Why a credential was neither locked nor unlocked.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error("the user is not known")]
    UserNotFound,
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
