use domain::caller::Call;
use domain::event::EventKind;
use domain::factors::{Added, ContactDraft, ContactRuleViolation, FactorSet};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, PendingEvent, changed_events};

/// Scope of a client whose contacts are verified.
const CONTACTS_VERIFIED: &str = "contacts_verified";

/// What became of one item, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOutcome {
    pub id: ContactId,
    pub result: Result<(), ContactRuleViolation>,
}

/// Adds alternative contacts to a user: items are judged one by one, each on the result of those before, and all that
/// pass are stored in one write with their events.
pub struct AddContacts {
    pub(super) editor: FactorSetEditor,
}

impl AddContacts {
    /// A contact that an administrator adds is verified. One that its own user adds is not, and one that a client adds
    /// only when the client is trusted with it by a scope: or a stolen secret of any application would make a phone of the
    /// thief's the second factor of every user.
    pub async fn run(
        &self,
        call: &Call,
        user: &UserId,
        drafts: &[ContactDraft],
    ) -> Result<Vec<ItemOutcome>, ContactError> {
        self.editor.check_additions(call, user).await?;
        let verified = call
            .user_id()
            .map_or_else(|| call.has_scope(CONTACTS_VERIFIED), |calling| calling != user);
        self.editor
            .edit(call, user, |owner, set, now| {
                let mut told = Vec::new();
                let outcomes = drafts
                    .iter()
                    .map(|draft| ItemOutcome {
                        id: draft.id.clone(),
                        result: set
                            .add(owner, draft, verified, now)
                            .map(|added| tell(owner, set, draft, added, &mut told)),
                    })
                    .collect();
                Ok(if told.is_empty() {
                    EditDecision::SaveUnchanged(outcomes)
                } else {
                    EditDecision::Save(outcomes, told)
                })
            })
            .await
    }
}

fn tell(owner: &Identity, set: &FactorSet, draft: &ContactDraft, added: Added, told: &mut Vec<PendingEvent>) {
    let Added::Stored { untagged } = added else { return };
    told.extend(changed_events(owner, set, untagged.as_slice()));
    let stored = set.view_of(owner, &draft.id);
    told.extend(stored.map(|contact| PendingEvent::Contact(EventKind::FactorAdded, contact)));
}
