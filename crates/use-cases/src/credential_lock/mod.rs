//! Locks and unlocks users' credentials.

mod get_lock;
mod lock_command;
mod lock_credential;
mod unlock_credential;

use std::sync::Arc;

use domain::credential_lock::CredentialLock;
use ports::{Clock, Identities, Randomness, Runtime, Stores, Telemetry, VersionedStore};

use lock_command::LockCommandFactory;

pub use get_lock::{GetLock, GetLockError};
pub use lock_command::LockError;
pub use lock_credential::LockCredential;
pub use unlock_credential::UnlockCredential;

/// The ports of the context.
#[derive(Clone)]
pub struct CredentialLockPorts {
    pub credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
    pub identities: Arc<dyn Identities>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    pub telemetry: Arc<dyn Telemetry>,
}

impl CredentialLockPorts {
    pub fn new(stores: &Stores, runtime: &Runtime) -> Self {
        Self {
            credential_locks: stores.credential_locks.clone(),
            identities: stores.identities.clone(),
            clock: runtime.clock.clone(),
            randomness: runtime.randomness.clone(),
            telemetry: runtime.telemetry.clone(),
        }
    }
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
