use std::sync::Arc;

use domain::caller::Call;
use domain::client::Visibility;
use domain::event::{EventType, NewEvent};
use domain::factors::events::FACTOR_CHANGED;
use domain::factors::{
    CodeTarget, ContactChangeError, ContactRuleViolation, ExhaustedBudget, FactorSet, OwnContact, events, own_contacts,
};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};
use domain::time::Timestamp;
use ports::factors::{CodeDigester, FactorSets};
use ports::{Clients, Clock, Randomness, StoreError};

use super::FactorsPorts;
use super::find_with_owner::{find_for_edit, find_with_owner};
use crate::UseCaseError;
use crate::saving::{MAX_SAVE_ATTEMPTS, is_saved};

/// The reason why a contact was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("the user has no such contact")]
    ContactNotFound,
    #[error("the client shows no alternative contacts, so its users can add none through it")]
    ClientHidesContacts,
    #[error(transparent)]
    RuleViolation(ContactRuleViolation),
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for ContactError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ContactChangeError> for ContactError {
    fn from(error: ContactChangeError) -> Self {
        match error {
            ContactChangeError::NotFound => Self::ContactNotFound,
            ContactChangeError::RuleViolation(rule) => Self::RuleViolation(rule),
        }
    }
}

/// An event of an edit, before it has an id and a time.
pub(super) enum PendingEvent {
    Contact(&'static EventType, OwnContact),
    Exhausted(ExhaustedBudget, OwnContact),
}

/// The decision of an edit.
pub(super) enum EditDecision<T> {
    /// Saves nothing. Only for an answer that a late write cannot make untrue, such as "wrong code".
    Unchanged(T),
    /// Saves the set as it was found, under a new version, because the answer makes a promise about the state of the
    /// set: see [`FactorSetEditor`].
    SaveUnchanged(T),
    /// Saves the edited set with its events, in one write.
    Save(T, Vec<PendingEvent>),
}

/// A contact that the caller's client may show. Only [`FactorSetEditor::visible_contact`] creates one, and every read
/// and edit checks it, so an operation cannot name a hidden contact.
pub(super) struct VisibleContact<'a> {
    call: &'a Call,
    user: &'a UserId,
    pub(super) id: &'a ContactId,
    visibility: Visibility,
}

impl VisibleContact<'_> {
    fn check_visible(&self, owner: &Identity, set: &FactorSet) -> Result<(), ContactError> {
        if self.visibility == Visibility::Unrestricted {
            return Ok(());
        }
        let shown = own_contacts(owner, set, self.visibility);
        if shown.iter().any(|contact| contact.id == *self.id) {
            Ok(())
        } else {
            Err(ContactError::ContactNotFound)
        }
    }
}

/// Reads a user's factor set, edits it, and saves it with its events in one conditional write.
///
/// 1. Reads the set, then its owner, so that no contact outlives a removed user ([`FactorSets::find_for_edit`]).
/// 2. Decides. "Contact not found" and "rule broken" are decisions too.
/// 3. Saves the set if the stored version is still the one read, and raises it. On a conflict it starts again at 1.
///
/// An unchanged set is saved as well ([`EditDecision::SaveUnchanged`], and every rule violation). Its raised version
/// makes an older, delayed edit conflict (docs/protocols.md "Lock commands"). Without it: version 3 has a contact. A
/// removes it; its write is delayed in the network, and A gets 503. B puts the contact, which already is as B wants it,
/// and would get 204 without a write. A's write arrives, still finds version 3, and removes the contact that B was
/// promised. With it: B saves version 4 before its 204, and A's write matches nothing.
pub(super) struct FactorSetEditor {
    factor_sets: Arc<dyn FactorSets>,
    clients: Arc<dyn Clients>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl FactorSetEditor {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: ports.stores.factor_sets.clone(),
            clients: ports.stores.clients.clone(),
            clock: ports.runtime.clock.clone(),
            randomness: ports.runtime.randomness.clone(),
        }
    }

    /// Returns the contacts that the caller may name. Users may name those that their client shows; administrators and
    /// clients may name all.
    async fn visibility(&self, call: &Call, user: &UserId) -> Result<Visibility, ContactError> {
        if call.user_id() != Some(user) {
            return Ok(Visibility::Unrestricted);
        }
        let client = self.clients.find(&call.client).await?;
        Ok(client.map_or_else(Visibility::default, |client| client.visibility))
    }

    /// Rejects users who add contacts to themselves through a client that would hide them: they could never verify
    /// them.
    pub(super) async fn check_additions(&self, call: &Call, user: &UserId) -> Result<(), ContactError> {
        if self.visibility(call, user).await?.shows_alternatives() {
            Ok(())
        } else {
            Err(ContactError::ClientHidesContacts)
        }
    }

    /// Returns a handle for a contact as the caller sees it. The reads and edits that take the handle check that the
    /// contact is visible.
    pub(super) async fn visible_contact<'a>(
        &self,
        call: &'a Call,
        user: &'a UserId,
        id: &'a ContactId,
    ) -> Result<VisibleContact<'a>, ContactError> {
        Ok(VisibleContact {
            call,
            user,
            id,
            visibility: self.visibility(call, user).await?,
        })
    }

    /// Returns the set that holds a contact, and its owner. Fails if the contact is hidden from the caller.
    pub(super) async fn find_contact(
        &self,
        contact: &VisibleContact<'_>,
    ) -> Result<(Identity, FactorSet), ContactError> {
        let (owner, set) = self.find(contact.user).await?;
        contact.check_visible(&owner, &set)?;
        Ok((owner, set))
    }

    /// Edits the set that holds a contact. Fails if the contact is hidden from the caller.
    pub(super) async fn edit_contact<T>(
        &self,
        contact: &VisibleContact<'_>,
        mut decide: impl FnMut(&Identity, &mut FactorSet, Timestamp) -> Result<EditDecision<T>, ContactError> + Send,
    ) -> Result<T, ContactError> {
        self.edit(contact.call, contact.user, |owner, set, now| {
            contact.check_visible(owner, set)?;
            decide(owner, set, now)
        })
        .await
    }

    async fn find(&self, user: &UserId) -> Result<(Identity, FactorSet), ContactError> {
        let found = find_with_owner(&*self.factor_sets, user).await?;
        found.ok_or(ContactError::UserNotFound)
    }

    /// Edits a user's set, with `decide` called again on each conflict. The loop runs inside the request: if the caller
    /// hangs up, the future is dropped and decides nothing more.
    pub(super) async fn edit<T>(
        &self,
        call: &Call,
        user: &UserId,
        mut decide: impl FnMut(&Identity, &mut FactorSet, Timestamp) -> Result<EditDecision<T>, ContactError> + Send,
    ) -> Result<T, ContactError> {
        for _ in 0..MAX_SAVE_ATTEMPTS {
            let found = find_for_edit(&*self.factor_sets, user).await?;
            let found = found.filter(|(_, set)| may_edit(call, set));
            let (owner, found) = found.ok_or(ContactError::UserNotFound)?;
            let now = self.clock.now();
            let mut edited = found.clone();
            let (outcome, mut set, events) = match decide(&owner, &mut edited, now) {
                Ok(EditDecision::Unchanged(outcome)) => return Ok(outcome),
                Ok(EditDecision::SaveUnchanged(outcome)) => (Ok(outcome), found, Vec::new()),
                Ok(EditDecision::Save(outcome, events)) => (Ok(outcome), edited, events),
                // Both errors make a promise about the state of the set, so the set is saved before the answer.
                Err(error @ (ContactError::ContactNotFound | ContactError::RuleViolation(_))) => {
                    (Err(error), found, Vec::new())
                }
                Err(error) => return Err(error),
            };
            set.remove_ended_windows(now);
            let events = events
                .into_iter()
                .map(|event| self.build_event(call, user, event, now))
                .collect();
            if is_saved(self.factor_sets.save_if_version(&set, events).await?)? {
                return outcome;
            }
        }
        Err(UseCaseError::Contended.into())
    }

    fn build_event(&self, call: &Call, user: &UserId, event: PendingEvent, now: Timestamp) -> NewEvent {
        let context = call.event(self.randomness.event_id(now), now);
        match event {
            PendingEvent::Contact(kind, contact) => events::contact_event(context, kind, user, &contact),
            PendingEvent::Exhausted(exhausted, contact) => {
                events::attempts_exhausted_event(context, user, &contact, exhausted)
            }
        }
    }
}

/// Returns whether a set may be edited by this call: not by the token of a removed user, if the set belongs to a later user
/// of the same id. The call's token was active when it was admitted, and the id was given again since.
fn may_edit(call: &Call, set: &FactorSet) -> bool {
    let owner = call.user.as_ref().filter(|user| user.id == set.user);
    owner.is_none_or(|owner| set.belongs_to(owner.epoch))
}

/// Returns the contact as the target of a code.
pub(super) fn code_target(
    (owner, set): (&Identity, &FactorSet),
    contact: &ContactId,
    code_digester: &dyn CodeDigester,
) -> Result<CodeTarget, ContactError> {
    set.code_target(owner, contact, |value| code_digester.destination(value))
        .ok_or(ContactError::ContactNotFound)
}

/// Returns a `factor.changed` event for each of the contacts.
pub(super) fn changed_events(owner: &Identity, set: &FactorSet, contacts: &[ContactId]) -> Vec<PendingEvent> {
    contacts
        .iter()
        .filter_map(|id| set.view_of(owner, id))
        .map(|contact| PendingEvent::Contact(FACTOR_CHANGED, contact))
        .collect()
}
