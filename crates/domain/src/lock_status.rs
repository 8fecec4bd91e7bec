//! The lock status: the part of a credential that the other contexts read.

/// The lock status of a user's credential. A user whose credential was never locked has the default: unlocked, epoch 0.
///
/// Tokens, refresh token families and validation tokens carry the epoch that they were issued under. So one write, the
/// lock, invalidates everything that was issued before it. An unlock keeps the epoch, so nothing becomes valid again.
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
    /// While set, no renewal or login that begins after the lock was acknowledged succeeds.
    pub is_locked: bool,
    /// The number of locks so far; after a restore of the embedded store, the store's base and the locks since. A token that was issued under another epoch is not active.
    pub epoch: u64,
}

/// The reason why a token or session fails the check of its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockViolation {
    /// The credential is locked: 412 where tokens are issued, 401 elsewhere.
    #[error("the credential is locked")]
    Locked,
    /// The credential was locked after the token or session was issued, and has been unlocked again: 401.
    #[error("the credential was locked after this was issued")]
    IssuedBeforeLock,
}

impl LockStatus {
    /// Judges a token or session that was issued under `epoch`.
    ///
    /// # Errors
    ///
    /// Returns [`LockViolation::Locked`] while the credential is locked, whatever the epoch, and
    /// [`LockViolation::IssuedBeforeLock`] for any epoch other than the current one.
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
