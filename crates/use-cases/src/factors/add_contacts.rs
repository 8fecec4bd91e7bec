use std::sync::Arc;

use domain::caller::Caller;
use domain::event::{EventKind, NewEvent};
use domain::factors::{Added, ContactDraft, FactorSet, Refusal, events};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};
use domain::standing::NotStanding;
use domain::time::Timestamp;
use ports::factors::{FactorSets, Saving};
use ports::{Clock, CredentialStandings, Identities, Randomness, StoreFailure};

use super::FactorsPorts;
use crate::{Failure, caller_standing};

/// How often a save that met another's is decided anew.
const ATTEMPTS: usize = 5;

/// Why no contact was judged at all.
#[derive(Debug, thiserror::Error)]
pub enum AddContactsError {
    #[error("the user is not known")]
    UserNotFound,
    #[error("the caller's own credential does not stand")]
    CallerNotStanding(#[source] NotStanding),
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreFailure> for AddContactsError {
    fn from(failure: StoreFailure) -> Self {
        Self::Failed(failure.into())
    }
}

/// What became of one item, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOutcome {
    pub id: ContactId,
    pub result: Result<(), Refusal>,
}

/// Adds alternative contacts to a user: items are judged one by one, each on the result of those before, and all that
/// pass are stored in one write with their events.
pub struct AddContacts {
    factor_sets: Arc<dyn FactorSets>,
    identities: Arc<dyn Identities>,
    standings: Arc<dyn CredentialStandings>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl AddContacts {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: ports.factor_sets.clone(),
            identities: ports.identities.clone(),
            standings: ports.standings.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
        }
    }

    /// A contact is unverified when its own user adds it.
    pub async fn run(
        &self,
        caller: &Caller,
        user: &UserId,
        drafts: &[ContactDraft],
    ) -> Result<Vec<ItemOutcome>, AddContactsError> {
        caller_standing::look(&*self.standings, caller)
            .await?
            .map_err(AddContactsError::CallerNotStanding)?;
        let owner = self
            .identities
            .find(user)
            .await?
            .ok_or(AddContactsError::UserNotFound)?;
        let verified = caller.user_id() != Some(user);
        for _ in 0..ATTEMPTS {
            let mut set = self.factor_sets.find(user).await?;
            let (outcomes, events) = self.apply(&mut set, &owner, drafts, verified);
            if events.is_empty() {
                return Ok(outcomes);
            }
            match self.factor_sets.save_if_version(&set, events).await? {
                Saving::Saved => return Ok(outcomes),
                Saving::Conflict => {}
                Saving::OutboxFull => return Err(Failure::OutboxFull.into()),
            }
        }
        Err(Failure::Contended.into())
    }

    fn apply(
        &self,
        set: &mut FactorSet,
        owner: &Identity,
        drafts: &[ContactDraft],
        verified: bool,
    ) -> (Vec<ItemOutcome>, Vec<NewEvent>) {
        let now = self.clock.now();
        let mut recorded = Vec::new();
        let outcomes = drafts
            .iter()
            .map(|draft| {
                let result = set.add(owner, draft, verified, now).map(|added| match added {
                    Added::AlreadyThere => {}
                    Added::Stored { untagged } => {
                        recorded.extend(untagged.and_then(|id| self.event(EventKind::FactorChanged, set, &id, now)));
                        recorded.extend(self.event(EventKind::FactorAdded, set, &draft.id, now));
                    }
                });
                ItemOutcome {
                    id: draft.id.clone(),
                    result,
                }
            })
            .collect();
        (outcomes, recorded)
    }

    fn event(&self, kind: EventKind, set: &FactorSet, contact: &ContactId, now: Timestamp) -> Option<NewEvent> {
        let contact = set.contact(contact)?;
        Some(events::contact_event(
            self.randomness.event_id(now),
            kind,
            &set.user,
            contact,
            now,
        ))
    }
}
