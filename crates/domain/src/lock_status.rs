//! The lock status: the part of a credential that the other contexts read.

/// The lock status of a user's credential. A user whose credential was never locked has the default: unlocked, epoch 0.
///
/// Tokens, refresh token families and validation tokens carry the epoch they were issued under. So one write, the lock,
/// ends all that was issued before it, and an unlock revives nothing, since it keeps the epoch.
///
/// ```
/// use domain::lock_status::{LockStatus, LockViolation};
///
/// let issued_under = LockStatus::default().epoch;
/// let locked = LockStatus { is_locked: true, epoch: 1 };
/// assert_eq!(locked.judge(issued_under), Err(LockViolation::Locked));
/// let unlocked = LockStatus { is_locked: false, epoch: 1 };
/// assert_eq!(unlocked.judge(issued_under), Err(LockViolation::IssuedBeforeLock));
/// assert_eq!(unlocked.judge(1), Ok(()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LockStatus {
    /// Nothing is issued to the user while it is set.
    pub is_locked: bool,
    /// The number of locks so far. A token of another epoch is not active.
    pub epoch: u64,
}

/// The reason why a token or session of some epoch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockViolation {
    /// The lock still holds: 412 where tokens are issued, 401 elsewhere.
    #[error("the credential is locked")]
    Locked,
    /// A lock came after the token or session and may have been lifted since: 401.
    #[error("the credential was locked after this was issued")]
    IssuedBeforeLock,
}

impl LockStatus {
    /// Judges a token or session that was issued under `epoch`.
    ///
    /// # Errors
    ///
    /// Returns [`LockViolation::Locked`] while the credential is locked, whatever the epoch, and
    /// [`LockViolation::IssuedBeforeLock`] for any epoch but the present one.
    pub fn judge(self, epoch: u64) -> Result<(), LockViolation> {
        if self.is_locked {
            Err(LockViolation::Locked)
        } else if self.epoch == epoch {
            Ok(())
        } else {
            Err(LockViolation::IssuedBeforeLock)
        }
    }
}
