use domain::caller::Call;
use domain::factors::{ChangedContacts, ContactDraft, ContactPatch, FactorSet};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, changed_events};

/// Changes an alternative contact, whole or in parts.
pub struct ChangeContact {
    pub(super) editor: FactorSetEditor,
}

/// How a contact is to be.
pub enum ContactChange {
    /// As drafted, whatever it was.
    Whole(ContactDraft),
    /// As it is but for what the merge patch names (RFC 7396).
    Patch(ContactId, ContactPatch),
}

impl ChangeContact {
    /// A contact is unverified when its own user changes its value.
    pub async fn run(&self, call: &Call, user: &UserId, change: &ContactChange) -> Result<(), ContactError> {
        let vouched = call.user_id() != Some(user);
        let contact = match change {
            ContactChange::Whole(draft) => &draft.id,
            ContactChange::Patch(id, _) => id,
        };
        let in_view = self.editor.visible_contact(call, user, contact).await?;
        self.editor
            .edit_contact(&in_view, |owner, set, _| {
                let contacts = apply(owner, set, change, vouched)?;
                Ok(if contacts.is_empty() {
                    EditDecision::SaveUnchanged(())
                } else {
                    EditDecision::Save((), changed_events(owner, set, &contacts))
                })
            })
            .await
    }
}

fn apply(
    owner: &Identity,
    set: &mut FactorSet,
    change: &ContactChange,
    vouched: bool,
) -> Result<ChangedContacts, ContactError> {
    Ok(match change {
        ContactChange::Whole(draft) => set.replace(owner, draft, vouched)?,
        ContactChange::Patch(id, patch) => set.patch(owner, id, patch.clone(), vouched)?,
    })
}
