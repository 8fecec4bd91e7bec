use std::sync::Arc;

use domain::caller::Caller;
use domain::event::{EventKind, NewEvent};
use domain::factors::{ChangeRefusal, CodeTarget, Exhausted, FactorSet, OwnContact, Refusal, events};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};
use domain::standing::NotStanding;
use domain::time::Timestamp;
use ports::factors::{CodeSeal, FactorSets};
use ports::{Clock, CredentialStandings, Randomness, Saving, StoreFailure};

use super::FactorsPorts;
use crate::{Failure, caller_standing};

/// How often an edit that met another's is decided anew. Each meeting is somebody else's success, and the attempts at a
/// code end before these do.
const ATTEMPTS: usize = 24;

/// Why nothing became of a user's contact.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("the caller's own credential does not stand")]
    CallerNotStanding(#[source] NotStanding),
    #[error("the user has no such contact")]
    ContactNotFound,
    #[error(transparent)]
    Broken(Refusal),
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreFailure> for ContactError {
    fn from(failure: StoreFailure) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<ChangeRefusal> for ContactError {
    fn from(refusal: ChangeRefusal) -> Self {
        match refusal {
            ChangeRefusal::NotFound => Self::ContactNotFound,
            ChangeRefusal::Broken(rule) => Self::Broken(rule),
        }
    }
}

/// What is told of an edit.
pub(super) enum Told {
    Contact(EventKind, OwnContact),
    Exhausted(Exhausted, OwnContact),
}

/// What was decided about a set.
pub(super) enum Decision<T> {
    /// It is as it was, and the answer says nothing that a write on its way could undo: nothing is saved.
    Leave(T),
    /// It stays as it was, and the answer says so: it is saved under a new version, so that no edit that was given up
    /// before can land after the answer.
    Keep(T),
    Save(T, Vec<Told>),
}

/// Finds a user's set, has something decided about it, and saves it with what is told, in one write.
pub(super) struct Edits {
    factor_sets: Arc<dyn FactorSets>,
    standings: Arc<dyn CredentialStandings>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Edits {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: ports.factor_sets.clone(),
            standings: ports.standings.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
        }
    }

    /// Refuses a locked or outdated caller, as everything that changes something must.
    pub(super) async fn admit(&self, caller: &Caller) -> Result<(), ContactError> {
        caller_standing::look(&*self.standings, caller)
            .await?
            .map_err(ContactError::CallerNotStanding)
    }

    pub(super) async fn find(&self, user: &UserId) -> Result<(Identity, FactorSet), ContactError> {
        let found = find_with_owner(&*self.factor_sets, user).await?;
        found.ok_or(ContactError::UserNotFound)
    }

    /// Decides anew when another saved in between, and only while the caller waits.
    pub(super) async fn edit<T>(
        &self,
        user: &UserId,
        mut decide: impl FnMut(&Identity, &mut FactorSet, Timestamp) -> Result<Decision<T>, ContactError> + Send,
    ) -> Result<T, ContactError> {
        for _ in 0..ATTEMPTS {
            let (owner, found) = self.find(user).await?;
            let now = self.clock.now();
            let mut decided = found.clone();
            let (outcome, mut set, told) = match decide(&owner, &mut decided, now)? {
                Decision::Leave(outcome) => return Ok(outcome),
                Decision::Keep(outcome) => (outcome, found, Vec::new()),
                Decision::Save(outcome, told) => (outcome, decided, told),
            };
            set.forget_ended_windows(now);
            let told = told.into_iter().map(|told| self.event(user, told, now)).collect();
            match self.factor_sets.save_if_version(&set, told).await? {
                Saving::Saved => return Ok(outcome),
                Saving::Conflict => {}
                Saving::OutboxFull => return Err(Failure::OutboxFull.into()),
            }
        }
        Err(Failure::Contended.into())
    }

    fn event(&self, user: &UserId, told: Told, now: Timestamp) -> NewEvent {
        let id = self.randomness.event_id(now);
        match told {
            Told::Contact(kind, contact) => events::contact_event(id, kind, user, &contact, now),
            Told::Exhausted(exhausted, contact) => events::attempts_exhausted(id, user, &contact, exhausted, now),
        }
    }
}

/// A user and the set as it stands beside what the user logs in with by now; `None` when there is no such user.
pub(super) async fn find_with_owner(
    factor_sets: &dyn FactorSets,
    user: &UserId,
) -> Result<Option<(Identity, FactorSet)>, StoreFailure> {
    let mut found = factor_sets.find_with_owner(user).await?;
    if let Some((owner, set)) = &mut found {
        set.drop_credentials(owner);
    }
    Ok(found)
}

/// A contact that a code can be sent to.
pub(super) fn target(
    (owner, set): (&Identity, &FactorSet),
    contact: &ContactId,
    seal: &dyn CodeSeal,
) -> Result<CodeTarget, ContactError> {
    set.code_target(owner, contact, |value| seal.destination(value))
        .ok_or(ContactError::ContactNotFound)
}

/// Contacts that are now other than they were.
pub(super) fn changed(owner: &Identity, set: &FactorSet, contacts: &[ContactId]) -> Vec<Told> {
    let told = contacts.iter().filter_map(|id| set.told(owner, id));
    told.map(|contact| Told::Contact(EventKind::FactorChanged, contact))
        .collect()
}
