use domain::caller::Call;
use domain::event::EventKind;
use domain::ids::{ContactId, UserId};

use super::edits::{ContactError, Decision, Edits, Told, changed};

/// Removes an alternative contact.
pub struct RemoveContact {
    pub(super) edits: Edits,
}

impl RemoveContact {
    /// What was tried against its codes stays counted.
    pub async fn run(&self, call: &Call, user: &UserId, contact: &ContactId) -> Result<(), ContactError> {
        let in_view = self.edits.contact(call, user, contact).await?;
        self.edits
            .edit_contact(&in_view, |owner, set, _| {
                let (removed, others) = set.remove(owner, contact)?;
                let mut told = vec![Told::Contact(EventKind::FactorRemoved, removed)];
                told.extend(changed(owner, set, &others));
                Ok(Decision::Save((), told))
            })
            .await
    }
}
