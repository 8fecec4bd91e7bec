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

#[cfg(test)]
mod tests {
    use domain::ids::ClientId;
    use domain::time::Timestamp;

    use super::*;
    use crate::Json;

    fn read(stored: &str) -> CredentialLock {
        let form: CredentialLockForm<Json> = serde_json::from_str(stored).unwrap();
        form.read("user-1").unwrap()
    }

    #[test]
    fn stored_form_of_a_lock() {
        let lock = CredentialLock {
            user: UserId::parse("user-1").unwrap(),
            version: 1,
            is_locked: true,
            epoch: 1,
            since: Some(Timestamp::UNIX_EPOCH),
            by: Some(Actor {
                client: Some(ClientId::parse("backoffice").unwrap()),
                ..Actor::default()
            }),
            reason: Some(LockReason::parse("lost phone").unwrap()),
        };
        let stored = serde_json::to_string(&CredentialLockForm::<Json>::of(&lock, 1)).unwrap();
        insta::assert_snapshot!(stored, @r#"{"locked":true,"epoch":1,"since":0,"by":{"client":"backoffice"},"reason":"lost phone","version":1}"#);
        assert_eq!(read(&stored), lock);
    }

    #[test]
    fn older_locks_are_read_without_their_actor() {
        let stored = r#"{"locked":true,"epoch":1,"since":0,"by":"backoffice","version":1}"#;
        assert_eq!(read(stored).by, None);
    }
}
