use crate::actor::Actor;
use crate::event::EventContext;
use crate::ids::UserId;
use crate::lock_status::LockStatus;
use crate::time::Timestamp;

/// The maximum length of a reason, in characters. The reason is stored with the lock, whose document must stay small.
const MAX_REASON_CHARACTERS: usize = 200;

/// The reason that a caller gave for a lock or unlock: free text of at most 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockReason(String);

/// A text that is not a lock reason: it has more than 200 characters, or a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason has at most {MAX_REASON_CHARACTERS} characters and no control characters")]
pub struct InvalidLockReason;

impl LockReason {
    /// Parses a reason; an empty one is allowed.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidLockReason`] for more than 200 characters (not bytes) and for a control character.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidLockReason> {
        let text = text.into();
        if text.chars().count() <= MAX_REASON_CHARACTERS && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(InvalidLockReason)
        }
    }

    /// Returns the reason as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A command to lock or unlock one user's credential.
#[derive(Debug, Clone)]
pub struct LockCommand {
    /// The user whose credential is locked or unlocked, not the caller.
    pub user: UserId,
    /// The new reason, stored only if the command changes the state; `None` clears the old one.
    pub reason: Option<LockReason>,
    /// The time and actor of the command, and the id of its event.
    pub context: EventContext,
}

/// The lock of one user's credential, an aggregate. A user without a stored lock was never locked: unlocked, epoch 0.
///
/// ```
/// # use domain::{actor::Actor, event::EventContext, ids::{EventId, UserId}, time::Timestamp};
/// use domain::credential_lock::{CredentialLock, LockCommand};
/// use domain::lock_status::LockViolation;
///
/// # let context = EventContext {
/// #     id: EventId("e1".to_owned()),
/// #     time: Timestamp::UNIX_EPOCH,
/// #     by: Actor::operator("admin"),
/// #     correlation_id: None,
/// # };
/// let user = UserId::parse("ana")?;
/// let command = LockCommand { user: user.clone(), reason: None, context };
/// let never_locked = CredentialLock::never_locked(user);
/// let token_epoch = never_locked.epoch;
///
/// let locked = never_locked.lock(&command).expect("it was unlocked");
/// assert_eq!(locked.status().judge(token_epoch), Err(LockViolation::Locked));
/// assert_eq!(locked.lock(&command), None, "a second lock changes nothing");
///
/// let unlocked = locked.unlock(&command).expect("it was locked");
/// assert_eq!(unlocked.status().judge(token_epoch), Err(LockViolation::IssuedBeforeLock));
/// # Ok::<(), domain::ids::MalformedId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialLock {
    /// The key of the aggregate.
    pub user: UserId,
    /// The version of the stored form, raised by every save; 0 while nothing is stored.
    pub version: u64,
    /// While set, no renewal or login that begins after the lock was acknowledged succeeds.
    pub is_locked: bool,
    /// The number of locks and removals of the user so far.
    pub epoch: u64,
    /// The time of the last change of state; `None` if the credential was never locked.
    pub since: Option<Timestamp>,
    /// The actor of the last change of state; `None` if the credential was never locked, or last changed before actors
    /// were recorded.
    pub by: Option<Actor>,
    /// The reason given with the last change of state.
    pub reason: Option<LockReason>,
}

impl CredentialLock {
    /// Returns the credential lock of a user who was never locked.
    pub fn never_locked(user: UserId) -> Self {
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

    /// Returns the part of the lock that the other contexts read.
    pub fn status(&self) -> LockStatus {
        LockStatus {
            is_locked: self.is_locked,
            epoch: self.epoch,
        }
    }

    /// Returns the lock with the credential locked and the epoch raised by one; `None` if it is already locked.
    pub fn lock(&self, command: &LockCommand) -> Option<Self> {
        (!self.is_locked).then(|| self.with_state(command, true, self.epoch + 1))
    }

    /// Returns the lock with the credential unlocked; `None` if it is not locked. The epoch stays the same, so nothing
    /// that was issued before the lock becomes valid again.
    pub fn unlock(&self, command: &LockCommand) -> Option<Self> {
        self.is_locked.then(|| self.with_state(command, false, self.epoch))
    }

    /// Returns the lock after the removal of the user: the epoch is raised, so that no token, session or validation
    /// token from before fits a new user of this id. A lock stays. The reason is erased, because it may name the user.
    #[must_use]
    pub fn after_removal(&self) -> Self {
        Self {
            epoch: self.epoch + 1,
            reason: None,
            ..self.clone()
        }
    }

    fn with_state(&self, command: &LockCommand, is_locked: bool, epoch: u64) -> Self {
        Self {
            user: self.user.clone(),
            version: self.version,
            is_locked,
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
    fn a_lock_raises_the_epoch_and_an_unlock_keeps_it() {
        let locked = CredentialLock::never_locked(command().user).lock(&command()).unwrap();
        assert_eq!(
            locked.status(),
            LockStatus {
                is_locked: true,
                epoch: 1
            }
        );
        let unlocked = locked.unlock(&command()).unwrap();
        assert_eq!(
            unlocked.status(),
            LockStatus {
                is_locked: false,
                epoch: 1
            }
        );
        assert_eq!(unlocked.lock(&command()).unwrap().epoch, 2);
    }

    #[test]
    fn a_repeated_lock_or_unlock_changes_nothing() {
        let locked = CredentialLock::never_locked(command().user).lock(&command()).unwrap();
        assert_eq!(locked.lock(&command()), None);
        let unlocked = locked.unlock(&command()).unwrap();
        assert_eq!(unlocked.unlock(&command()), None);
    }

    #[test]
    fn a_removal_raises_the_epoch_and_keeps_the_lock() {
        let mut reasoned = command();
        reasoned.reason = Some(LockReason::parse("lost phone").unwrap());
        let locked = CredentialLock::never_locked(reasoned.user.clone())
            .lock(&reasoned)
            .unwrap();
        let removed = locked.after_removal();
        assert_eq!((removed.is_locked, removed.epoch, removed.reason), (true, 2, None));
        let removed = CredentialLock::never_locked(reasoned.user).after_removal();
        assert_eq!((removed.is_locked, removed.epoch), (false, 1));
    }

    #[test]
    fn a_reason_is_counted_in_characters() {
        assert!(LockReason::parse("é".repeat(200)).is_ok());
        assert!(LockReason::parse("é".repeat(201)).is_err());
    }

    #[test]
    fn a_reason_with_a_control_character_is_rejected() {
        assert!(LockReason::parse("a\nb").is_err());
    }
}
