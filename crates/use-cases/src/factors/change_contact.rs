use domain::caller::Call;
use domain::factors::{ChangedContacts, ContactDraft, ContactPatch, FactorSet};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, changed_events};

/// Changes an alternative contact, as a whole or in parts.
pub struct ChangeContact {
    pub(super) editor: FactorSetEditor,
}

/// The change of a contact.
pub enum ContactChange {
    /// Replaces the contact by the draft.
    Whole(ContactDraft),
    /// Changes only what the merge patch names (RFC 7396).
    Patch(ContactId, ContactPatch),
}

impl ChangeContact {
    /// Changes the contact. It becomes unverified if its own user changes the value; another caller's value counts as
    /// verified.
    #[tracing::instrument(
        level = "debug",
        name = "change_contact",
        skip_all,
        fields(client = call.client.as_str(), user = user.as_str())
    )]
    pub async fn run(&self, call: &Call, user: &UserId, change: &ContactChange) -> Result<(), ContactError> {
        let is_trusted = call.user_id() != Some(user);
        let contact = match change {
            ContactChange::Whole(draft) => &draft.id,
            ContactChange::Patch(id, _) => id,
        };
        let visible = self.editor.visible_contact(call, user, contact).await?;
        self.editor
            .edit_contact(&visible, |owner, set, _| {
                let changed = apply(owner, set, change, is_trusted)?;
                Ok(if changed.is_empty() {
                    EditDecision::SaveUnchanged(())
                } else {
                    EditDecision::Save((), changed_events(owner, set, &changed))
                })
            })
            .await
    }
}

fn apply(
    owner: &Identity,
    set: &mut FactorSet,
    change: &ContactChange,
    is_trusted: bool,
) -> Result<ChangedContacts, ContactError> {
    Ok(match change {
        ContactChange::Whole(draft) => set.replace(owner, draft, is_trusted)?,
        ContactChange::Patch(id, patch) => set.patch(owner, id, patch.clone(), is_trusted)?,
    })
}
