use domain::actor::Actor;
use domain::credential_lock::{CredentialLock, LockReason};
use domain::ids::UserId;
use domain::lock_status::LockStatus;
use serde::{Deserialize, Serialize};

use crate::{ActorForm, Corrupt, Encoding, StoredForm};

/// A stored credential lock.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub struct CredentialLockForm<E: Encoding> {
    locked: bool,
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<E::Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<ByForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    version: u64,
}

/// The actor of the latest change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum ByForm {
    Actor(ActorForm),
    /// The form that older versions stored: the id of a user or of a client, without saying which.
    Id(String),
}

impl ByForm {
    fn read(self) -> Result<Option<Actor>, Corrupt> {
        match self {
            Self::Actor(actor) => actor.read().map(Some),
            Self::Id(_) => Ok(None),
        }
    }
}

impl<E: Encoding> StoredForm<E> for CredentialLockForm<E> {
    type Of = CredentialLock;

    fn of(lock: &CredentialLock, version: u64) -> Self {
        Self {
            locked: lock.is_locked,
            epoch: lock.epoch,
            since: lock.since.map(E::time),
            by: lock.by.as_ref().map(|actor| ByForm::Actor(actor.into())),
            reason: lock.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            version,
        }
    }

    fn read(self, key: &str) -> Result<CredentialLock, Corrupt> {
        Ok(CredentialLock {
            user: UserId::parse(key)?,
            version: self.version,
            is_locked: self.locked,
            epoch: self.epoch,
            since: self.since.as_ref().map(E::read_time).transpose()?,
            by: self.by.map(ByForm::read).transpose()?.flatten(),
            reason: self.reason.map(LockReason::parse).transpose()?,
        })
    }
}

/// The part of a stored credential lock that a lock status needs.
#[derive(Debug, Deserialize)]
pub struct LockStatusForm {
    locked: bool,
    epoch: u64,
}

impl From<LockStatusForm> for LockStatus {
    fn from(stored: LockStatusForm) -> Self {
        Self {
            is_locked: stored.locked,
            epoch: stored.epoch,
        }
    }
}
