use domain::caller::Caller;
use domain::event::EventKind;
use domain::ids::{ContactId, UserId};

use super::edits::{ContactError, Decision, Edits, Told, changed};

/// Removes an alternative contact.
pub struct RemoveContact {
    pub(super) edits: Edits,
}

impl RemoveContact {
    /// What was tried against its codes stays counted.
    pub async fn run(&self, caller: &Caller, user: &UserId, contact: &ContactId) -> Result<(), ContactError> {
        self.edits.admit(caller).await?;
        self.edits
            .edit(user, |owner, set, _| {
                let (removed, others) = match set.remove(owner, contact) {
                    Ok(removed) => removed,
                    Err(refusal) => return Ok(Decision::Keep(Err(refusal.into()))),
                };
                let mut told = vec![Told::Contact(EventKind::FactorRemoved, removed)];
                told.extend(changed(owner, set, &others));
                Ok(Decision::Save(Ok(()), told))
            })
            .await?
    }
}
