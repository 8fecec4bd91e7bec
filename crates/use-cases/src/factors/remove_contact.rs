use domain::caller::Call;
use domain::event::EventKind;
use domain::ids::{ContactId, UserId};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, PendingEvent, changed_events};

/// Removes an alternative contact.
pub struct RemoveContact {
    pub(super) editor: FactorSetEditor,
}

impl RemoveContact {
    /// What was tried against its codes stays counted.
    pub async fn run(&self, call: &Call, user: &UserId, contact: &ContactId) -> Result<(), ContactError> {
        let in_view = self.editor.visible_contact(call, user, contact).await?;
        self.editor
            .edit_contact(&in_view, |owner, set, _| {
                let (removed, others) = set.remove(owner, contact)?;
                let mut told = vec![PendingEvent::Contact(EventKind::FactorRemoved, removed)];
                told.extend(changed_events(owner, set, &others));
                Ok(EditDecision::Save((), told))
            })
            .await
    }
}
