//! Locks and unlocks users' credentials.

mod epoch_raiser;
mod get_lock;
mod lock_command;
mod lock_credential;
mod unlock_credential;

use ports::{Runtime, Stores};

use lock_command::LockCommandFactory;

pub use epoch_raiser::EpochRaiser;
pub use get_lock::{GetLock, GetLockError};
pub use lock_command::LockError;
pub use lock_credential::LockCredential;
pub use unlock_credential::UnlockCredential;

/// The use cases of the context.
pub struct CredentialLockUseCases {
    pub lock_credential: LockCredential,
    pub unlock_credential: UnlockCredential,
    pub get_lock: GetLock,
}

impl CredentialLockUseCases {
    pub fn new(stores: &Stores, runtime: &Runtime) -> Self {
        let commands = || LockCommandFactory {
            identities: stores.identities.clone(),
            clock: runtime.clock.clone(),
            randomness: runtime.randomness.clone(),
        };
        Self {
            lock_credential: LockCredential::new(
                commands(),
                stores.credential_locks.clone(),
                runtime.telemetry.clone(),
            ),
            unlock_credential: UnlockCredential::new(
                commands(),
                stores.credential_locks.clone(),
                runtime.telemetry.clone(),
            ),
            get_lock: GetLock::new(stores.identities.clone(), stores.credential_locks.clone()),
        }
    }
}
