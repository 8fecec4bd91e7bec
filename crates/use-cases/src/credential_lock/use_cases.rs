use super::{CredentialLockPorts, GetLock, LockCommandFactory, LockCredential, UnlockCredential};

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
