//! Locks and unlocks, decided by the domain and saved by version as the use cases do it.

use domain::credential_lock::{CredentialLock, LockCommand, events};
use ports::SaveOutcome;
use ports::credential_lock::CredentialLocks;

/// What a lock or unlock came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockOutcome {
    /// This call changed it; the credential as it is stored.
    Changed(CredentialLock),
    /// It was so already.
    Unchanged,
    OutboxFull,
}

pub(crate) async fn lock(credential_locks: &dyn CredentialLocks, command: &LockCommand) -> LockOutcome {
    decide_and_save(credential_locks, command, CredentialLock::lock).await
}

pub(crate) async fn unlock(credential_locks: &dyn CredentialLocks, command: &LockCommand) -> LockOutcome {
    decide_and_save(credential_locks, command, CredentialLock::unlock).await
}

async fn decide_and_save(
    credential_locks: &dyn CredentialLocks,
    command: &LockCommand,
    rule: fn(&CredentialLock, &LockCommand) -> Option<CredentialLock>,
) -> LockOutcome {
    loop {
        let found = credential_locks.find(&command.user).await.unwrap();
        let found = found.unwrap_or_else(|| CredentialLock::unlocked(command.user.clone()));
        let changed = rule(&found, command);
        let events = changed
            .iter()
            .map(|changed| events::lock_changed(changed, command))
            .collect();
        let save = credential_locks.save_if_version(changed.as_ref().unwrap_or(&found), events);
        match (save.await.unwrap(), changed) {
            (SaveOutcome::Saved, Some(changed)) => return LockOutcome::Changed(stored(changed)),
            (SaveOutcome::Saved, None) => return LockOutcome::Unchanged,
            (SaveOutcome::Conflict, _) => {}
            (SaveOutcome::OutboxFull, _) => return LockOutcome::OutboxFull,
        }
    }
}

/// As it is after it was saved.
pub(crate) fn stored(credential: CredentialLock) -> CredentialLock {
    CredentialLock {
        version: credential.version + 1,
        ..credential
    }
}
