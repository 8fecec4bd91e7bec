//! Whether a credential may still be used: all that the other contexts know of the lock.

/// The state of a user's credential as the lock context tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LockStatus {
    pub is_locked: bool,
    /// Raised by every lock; what was issued under another epoch is dead.
    pub epoch: u64,
}

/// Why something issued under an epoch is refused now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockViolation {
    #[error("the credential is locked")]
    Locked,
    #[error("the credential was locked after this was issued")]
    IssuedBeforeLock,
}

impl LockStatus {
    /// Judges something issued under `epoch`.
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
