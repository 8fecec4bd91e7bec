use crate::actor::Actor;
use crate::event::EventContext;
use crate::ids::UserId;
use crate::lock_status::LockStatus;
use crate::time::Timestamp;

/// Why someone locked or unlocked, in their words; at most 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockReason(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason has at most 200 characters and no control characters")]
pub struct ReasonTooLong;

impl LockReason {
    pub fn parse(text: impl Into<String>) -> Result<Self, ReasonTooLong> {
        let text = text.into();
        if text.chars().count() <= 200 && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(ReasonTooLong)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One lock or unlock, as ordered.
#[derive(Debug, Clone)]
pub struct LockCommand {
    pub user: UserId,
    pub reason: Option<LockReason>,
    /// When and by whom, and the id of its event.
    pub context: EventContext,
}

/// The credential of a user. A user without one is unlocked, epoch 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialLock {
    pub user: UserId,
    /// Version of the stored form; 0 while nothing is stored.
    pub version: u64,
    pub is_locked: bool,
    /// How often it was locked.
    pub epoch: u64,
    /// When it came into its present state; `None` while it was never locked.
    pub since: Option<Timestamp>,
    /// Who locked or unlocked it last; `None` while it was never locked, or when that was before actors were recorded.
    pub by: Option<Actor>,
    /// Why.
    pub reason: Option<LockReason>,
}

impl CredentialLock {
    /// The credential of a user that was never locked.
    pub fn unlocked(user: UserId) -> Self {
        Self {
            user,
            version: 0,
            is_locked: false,
            epoch: 0,
            since: None,
            by: None,
            reason: None,
        }
    }

    pub fn status(&self) -> LockStatus {
        LockStatus {
            is_locked: self.is_locked,
            epoch: self.epoch,
        }
    }

    /// Locked one epoch later, or `None` when it already is locked.
    pub fn lock(&self, command: &LockCommand) -> Option<Self> {
        (!self.is_locked).then(|| self.with_state(command, true, self.epoch + 1))
    }

    /// Unlocked under the same epoch, so that nothing issued before the lock revives; `None` when it is not locked.
    pub fn unlock(&self, command: &LockCommand) -> Option<Self> {
        self.is_locked.then(|| self.with_state(command, false, self.epoch))
    }

    fn with_state(&self, command: &LockCommand, locked: bool, epoch: u64) -> Self {
        Self {
            user: self.user.clone(),
            version: self.version,
            is_locked: locked,
            epoch,
            since: Some(command.context.time),
            by: Some(command.context.by.clone()),
            reason: command.reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EventId;

    fn command() -> LockCommand {
        LockCommand {
            user: UserId::parse("u1").unwrap(),
            reason: None,
            context: EventContext {
                id: EventId("e1".to_owned()),
                time: Timestamp::UNIX_EPOCH,
                by: Actor::operator("locker"),
                correlation_id: None,
            },
        }
    }

    #[test]
    fn every_lock_raises_the_epoch_and_an_unlock_keeps_it() {
        let fresh = CredentialLock::unlocked(command().user);
        let locked = fresh.lock(&command()).unwrap();
        assert_eq!(
            locked.status(),
            LockStatus {
                is_locked: true,
                epoch: 1
            }
        );
        assert_eq!(locked.lock(&command()), None);
        let unlocked = locked.unlock(&command()).unwrap();
        assert_eq!(
            unlocked.status(),
            LockStatus {
                is_locked: false,
                epoch: 1
            }
        );
        assert_eq!(unlocked.unlock(&command()), None);
        assert_eq!(unlocked.lock(&command()).unwrap().epoch, 2);
    }

    #[test]
    fn a_reason_is_counted_in_characters() {
        assert!(LockReason::parse("é".repeat(200)).is_ok());
        assert!(LockReason::parse("é".repeat(201)).is_err());
        assert!(LockReason::parse("a\nb").is_err());
    }
}
