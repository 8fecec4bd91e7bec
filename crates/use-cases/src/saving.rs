//! The loop of every use case that decides on an aggregate with rules: find it, decide, save it, and start again if
//! another caller has saved since.

use ports::SaveOutcome;

use crate::UseCaseError;

/// The number of times that a command is decided before it fails with 503. Each conflict means that another command
/// succeeded, so 24 other commands must succeed within one request to exhaust it.
pub(crate) const MAX_SAVE_ATTEMPTS: usize = 24;

/// Returns whether the aggregate is saved; `false` if it has to be decided on anew.
pub(crate) fn is_saved(outcome: SaveOutcome) -> Result<bool, UseCaseError> {
    match outcome {
        SaveOutcome::Saved => Ok(true),
        SaveOutcome::Conflict => Ok(false),
        SaveOutcome::OutboxFull => Err(UseCaseError::OutboxFull),
    }
}
