//! Locks and unlocks as the use cases do: decided by the domain, saved by version, and decided again after a conflict.

use domain::credential_lock::{CredentialLock, LockCommand, events};
use ports::{SaveOutcome, VersionedStore};

/// The outcome of a lock or unlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockOutcome {
    /// This call changed the credential lock to the one given.
    Changed(CredentialLock),
    /// The credential was already locked, or already unlocked.
    Unchanged,
    OutboxFull,
}

pub(crate) async fn lock(credential_locks: &dyn VersionedStore<CredentialLock>, command: &LockCommand) -> LockOutcome {
    decide_and_save(credential_locks, command, CredentialLock::lock).await
}

pub(crate) async fn unlock(
    credential_locks: &dyn VersionedStore<CredentialLock>,
    command: &LockCommand,
) -> LockOutcome {
    decide_and_save(credential_locks, command, CredentialLock::unlock).await
}

async fn decide_and_save(
    credential_locks: &dyn VersionedStore<CredentialLock>,
    command: &LockCommand,
    rule: fn(&CredentialLock, &LockCommand) -> Option<CredentialLock>,
) -> LockOutcome {
    loop {
        let found = credential_locks.read_linearizable(&command.user).await.unwrap();
        let found = found.unwrap_or_else(|| CredentialLock::never_locked(command.user.clone()));
        let changed = rule(&found, command);
        let events = changed
            .iter()
            .map(|changed| events::lock_event(changed, command))
            .collect();
        let save = credential_locks.save_if_version(changed.as_ref().unwrap_or(&found), events);
        match (save.await.unwrap(), changed) {
            (SaveOutcome::Saved, Some(changed)) => return LockOutcome::Changed(with_next_version(changed)),
            (SaveOutcome::Saved, None) => return LockOutcome::Unchanged,
            (SaveOutcome::Conflict, _) => {}
            (SaveOutcome::OutboxFull, _) => return LockOutcome::OutboxFull,
        }
    }
}

/// Returns the credential lock with the version that it has after a save.
pub(crate) fn with_next_version(credential: CredentialLock) -> CredentialLock {
    CredentialLock {
        version: credential.version + 1,
        ..credential
    }
}
