//! Whether a credential may still be used: all that the other contexts know of the lock.

/// The state of a user's credential as the lock context tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    pub locked: bool,
    /// Raised by every lock; what was issued under another epoch is dead.
    pub epoch: u64,
}

/// Why something issued under an epoch is refused now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStanding {
    #[error("the credential is locked")]
    Locked,
    #[error("the credential was locked after this was issued")]
    Outdated,
}

impl Standing {
    /// Judges something issued under `epoch`.
    pub fn judge(self, epoch: u64) -> Result<(), NotStanding> {
        if self.locked {
            Err(NotStanding::Locked)
        } else if self.epoch == epoch {
            Ok(())
        } else {
            Err(NotStanding::Outdated)
        }
    }
}
