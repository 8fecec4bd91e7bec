use domain::caller::Call;
use domain::factors::events::FACTOR_REMOVED;
use domain::ids::{ContactId, UserId};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, PendingEvent, changed_events};

/// Removes an alternative contact.
pub struct RemoveContact {
    pub(super) editor: FactorSetEditor,
}

impl RemoveContact {
    /// Removes the contact and its challenge. The attempts at its codes stay counted, so that adding the contact again
    /// does not refill the budget.
    #[tracing::instrument(
        level = "debug",
        name = "remove_contact",
        skip_all,
        fields(client = call.client.as_str(), user = user.as_str())
    )]
    pub async fn run(&self, call: &Call, user: &UserId, contact: &ContactId) -> Result<(), ContactError> {
        let visible = self.editor.visible_contact(call, user, contact).await?;
        self.editor
            .edit_contact(&visible, |owner, set, _| {
                let (removed, others) = set.remove(owner, contact)?;
                let mut events = vec![PendingEvent::Contact(FACTOR_REMOVED, removed)];
                events.extend(changed_events(owner, set, &others));
                Ok(EditDecision::Save((), events))
            })
            .await
    }
}
