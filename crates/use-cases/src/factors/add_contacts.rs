use domain::caller::Call;
use domain::factors::events::FACTOR_ADDED;
use domain::factors::{Added, ContactDraft, ContactRuleViolation, FactorSet};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, PendingEvent, changed_events};

/// The scope of a client whose contacts count as verified.
const CONTACTS_VERIFIED: &str = "contacts_verified";

/// The result of one item. Items are in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOutcome {
    pub id: ContactId,
    pub result: Result<(), ContactRuleViolation>,
}

/// Adds alternative contacts to a user. Items are judged in order, each against the result of the earlier ones. One
/// write stores all items that pass, with their events.
pub struct AddContacts {
    pub(super) editor: FactorSetEditor,
}

impl AddContacts {
    /// Adds the contacts. A contact is verified if an administrator adds it, and unverified if its own user does. If a
    /// client adds it on its own, it is verified only with the scope `contacts_verified`. Otherwise the thief of any
    /// client's secret could make their own phone the second factor of every user.
    #[tracing::instrument(
        level = "debug",
        name = "add_contacts",
        skip_all,
        fields(client = call.client.as_str(), user = user.as_str())
    )]
    pub async fn run(
        &self,
        call: &Call,
        user: &UserId,
        drafts: &[ContactDraft],
    ) -> Result<Vec<ItemOutcome>, ContactError> {
        self.editor.check_additions(call, user).await?;
        let is_verified = call
            .user_id()
            .map_or_else(|| call.has_scope(CONTACTS_VERIFIED), |calling| calling != user);
        self.editor
            .edit(call, user, |owner, set, now| {
                let mut events = Vec::new();
                let outcomes = drafts
                    .iter()
                    .map(|draft| ItemOutcome {
                        id: draft.id.clone(),
                        result: set
                            .add(owner, draft, is_verified, now)
                            .map(|added| push_events(owner, set, draft, added, &mut events)),
                    })
                    .collect();
                Ok(if events.is_empty() {
                    EditDecision::SaveUnchanged(outcomes)
                } else {
                    EditDecision::Save(outcomes, events)
                })
            })
            .await
    }
}

/// Pushes the events of an added contact, and of the contact that lost its tag to it. A repeated item has no event.
fn push_events(owner: &Identity, set: &FactorSet, draft: &ContactDraft, added: Added, events: &mut Vec<PendingEvent>) {
    let Added::Stored { untagged } = added else { return };
    events.extend(changed_events(owner, set, untagged.as_slice()));
    let stored = set.view_of(owner, &draft.id);
    events.extend(stored.map(|contact| PendingEvent::Contact(FACTOR_ADDED, contact)));
}
