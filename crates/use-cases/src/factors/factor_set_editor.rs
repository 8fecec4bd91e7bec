use std::sync::Arc;

use domain::caller::Call;
use domain::event::{EventKind, NewEvent};
use domain::factors::{
    CodeTarget, ContactChangeError, ContactRuleViolation, ExhaustedBudget, FactorSet, OwnContact, Visibility, events,
    own_contacts,
};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};
use domain::time::Timestamp;
use ports::factors::{CodeDigester, FactorSets};
use ports::{Clients, Clock, Randomness, SaveOutcome, StoreError};

use super::FactorsPorts;
use crate::UseCaseError;

/// How often an edit that met another's is decided anew. Each meeting is somebody else's success, and the attempts at a
/// code end before these do.
const ATTEMPTS: usize = 24;

/// Why nothing became of a user's contact.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("the user has no such contact")]
    ContactNotFound,
    #[error("the client shows no alternative contacts, so its users can add none through it")]
    ClientHidesContacts,
    #[error(transparent)]
    Broken(ContactRuleViolation),
    #[error(transparent)]
    Failed(#[from] UseCaseError),
}

impl From<StoreError> for ContactError {
    fn from(failure: StoreError) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<ContactChangeError> for ContactError {
    fn from(refusal: ContactChangeError) -> Self {
        match refusal {
            ContactChangeError::NotFound => Self::ContactNotFound,
            ContactChangeError::RuleViolation(rule) => Self::Broken(rule),
        }
    }
}

/// What is told of an edit.
pub(super) enum PendingEvent {
    Contact(EventKind, OwnContact),
    Exhausted(ExhaustedBudget, OwnContact),
}

/// What was decided about a set.
pub(super) enum EditDecision<T> {
    /// It is as it was, and the answer says nothing that a write on its way could undo: nothing is saved.
    Unchanged(T),
    /// It stays as it was, and the answer says so: it is saved under a new version, so that no edit that was given up
    /// before can land after the answer.
    SaveUnchanged(T),
    Save(T, Vec<PendingEvent>),
}

/// One contact of a user, as far as the caller's client shows it. Made by [`Edits::contact`] alone, so that what is hidden
/// cannot be named on any operation.
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

/// Finds a user's set, has something decided about it, and saves it with what is told, in one write.
pub(super) struct FactorSetEditor {
    factor_sets: Arc<dyn FactorSets>,
    clients: Arc<dyn Clients>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl FactorSetEditor {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: ports.factor_sets.clone(),
            clients: ports.clients.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
        }
    }

    /// What the caller may name of the user's contacts: users what their client shows, others whatever there is.
    async fn visibility(&self, call: &Call, user: &UserId) -> Result<Visibility, ContactError> {
        if call.user_id() != Some(user) {
            return Ok(Visibility::Unrestricted);
        }
        let client = self.clients.find(&call.client).await?;
        Ok(client.map_or_else(Visibility::default, |client| client.visibility))
    }

    /// Refuses users who add contacts to themselves through a client that would hide them.
    pub(super) async fn check_additions(&self, call: &Call, user: &UserId) -> Result<(), ContactError> {
        if self.visibility(call, user).await?.shows_alternatives() {
            Ok(())
        } else {
            Err(ContactError::ClientHidesContacts)
        }
    }

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

    /// The set that holds a contact, and its user.
    pub(super) async fn find_contact(
        &self,
        contact: &VisibleContact<'_>,
    ) -> Result<(Identity, FactorSet), ContactError> {
        let (owner, set) = self.find(contact.user).await?;
        contact.check_visible(&owner, &set)?;
        Ok((owner, set))
    }

    /// Edits the set that holds a contact.
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

    /// Decides anew when another saved in between, and only while the caller waits.
    pub(super) async fn edit<T>(
        &self,
        call: &Call,
        user: &UserId,
        mut decide: impl FnMut(&Identity, &mut FactorSet, Timestamp) -> Result<EditDecision<T>, ContactError> + Send,
    ) -> Result<T, ContactError> {
        for _ in 0..ATTEMPTS {
            let (owner, found) = self.find(user).await?;
            let now = self.clock.now();
            let mut decided = found.clone();
            let (outcome, mut set, told) = match decide(&owner, &mut decided, now) {
                Ok(EditDecision::Unchanged(outcome)) => return Ok(outcome),
                Ok(EditDecision::SaveUnchanged(outcome)) => (Ok(outcome), found, Vec::new()),
                Ok(EditDecision::Save(outcome, told)) => (Ok(outcome), decided, told),
                // A refusal says how the set is, too.
                Err(refusal @ (ContactError::ContactNotFound | ContactError::Broken(_))) => {
                    (Err(refusal), found, Vec::new())
                }
                Err(error) => return Err(error),
            };
            set.forget_ended_windows(now);
            let told = told
                .into_iter()
                .map(|told| self.build_event(call, user, told, now))
                .collect();
            match self.factor_sets.save_if_version(&set, told).await? {
                SaveOutcome::Saved => return outcome,
                SaveOutcome::Conflict => {}
                SaveOutcome::OutboxFull => return Err(UseCaseError::OutboxFull.into()),
            }
        }
        Err(UseCaseError::Contended.into())
    }

    fn build_event(&self, call: &Call, user: &UserId, told: PendingEvent, now: Timestamp) -> NewEvent {
        let context = call.event(self.randomness.event_id(now), now);
        match told {
            PendingEvent::Contact(kind, contact) => events::contact_event(context, kind, user, &contact),
            PendingEvent::Exhausted(exhausted, contact) => {
                events::attempts_exhausted(context, user, &contact, exhausted)
            }
        }
    }
}

/// A user and the set as it stands beside what the user logs in with by now; `None` when there is no such user.
pub(super) async fn find_with_owner(
    factor_sets: &dyn FactorSets,
    user: &UserId,
) -> Result<Option<(Identity, FactorSet)>, StoreError> {
    let mut found = factor_sets.find_with_owner(user).await?;
    if let Some((owner, set)) = &mut found {
        set.drop_credentials(owner);
    }
    Ok(found)
}

/// A contact that a code can be sent to.
pub(super) fn code_target(
    (owner, set): (&Identity, &FactorSet),
    contact: &ContactId,
    code_digester: &dyn CodeDigester,
) -> Result<CodeTarget, ContactError> {
    set.code_target(owner, contact, |value| code_digester.destination(value))
        .ok_or(ContactError::ContactNotFound)
}

/// Contacts that are now other than they were.
pub(super) fn changed_events(owner: &Identity, set: &FactorSet, contacts: &[ContactId]) -> Vec<PendingEvent> {
    let told = contacts.iter().filter_map(|id| set.view_of(owner, id));
    told.map(|contact| PendingEvent::Contact(EventKind::FactorChanged, contact))
        .collect()
}
