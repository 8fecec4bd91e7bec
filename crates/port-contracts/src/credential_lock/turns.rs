//! Locks and unlocks, decided by the domain and saved by version as the use cases do it.

use domain::credential_lock::{Credential, LockCommand, events};
use ports::Saving;
use ports::credential_lock::Credentials;

/// What a lock or unlock came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This call turned it; the credential as it is stored.
    Turned(Credential),
    /// It was so already.
    Already,
    OutboxFull,
}

pub(crate) async fn lock(credentials: &dyn Credentials, command: &LockCommand) -> Turn {
    turn(credentials, command, Credential::lock).await
}

pub(crate) async fn unlock(credentials: &dyn Credentials, command: &LockCommand) -> Turn {
    turn(credentials, command, Credential::unlock).await
}

async fn turn(
    credentials: &dyn Credentials,
    command: &LockCommand,
    rule: fn(&Credential, &LockCommand) -> Option<Credential>,
) -> Turn {
    loop {
        let found = credentials.find(&command.user).await.unwrap();
        let found = found.unwrap_or_else(|| Credential::unlocked(command.user.clone()));
        let turned = rule(&found, command);
        let told = turned.iter().map(|turned| events::turned(turned, command)).collect();
        let saving = credentials.save_if_version(turned.as_ref().unwrap_or(&found), told);
        match (saving.await.unwrap(), turned) {
            (Saving::Saved, Some(turned)) => return Turn::Turned(stored(turned)),
            (Saving::Saved, None) => return Turn::Already,
            (Saving::Conflict, _) => {}
            (Saving::OutboxFull, _) => return Turn::OutboxFull,
        }
    }
}

/// As it is after it was saved.
pub(crate) fn stored(credential: Credential) -> Credential {
    Credential {
        version: credential.version + 1,
        ..credential
    }
}
