use std::sync::Arc;

use domain::caller::Call;
use domain::event::EventKind;
use domain::factors::{Answer, ChallengeId, Charge, CodeDigest, CodeLimits, Exhausted, OwnContact};
use domain::ids::{ContactId, UserId};
use ports::factors::CodeDigester;

use super::edits::{ContactError, ContactInView, Decision, Edits, Told};
use super::{FactorsPorts, FactorsSettings, edits};

/// Why a code was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ValidateCodeError {
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// Or expired, or used, or for another challenge: which, nobody is told.
    #[error("the code is wrong, expired or used")]
    Wrong,
    #[error("the attempts are used up")]
    UsedUp,
}

/// Validates the code that was sent to a contact of the calling user.
pub struct ValidateCode {
    edits: Edits,
    code_digester: Arc<dyn CodeDigester>,
    limits: CodeLimits,
}

/// What a caller answers.
#[derive(Clone, Copy)]
pub struct CodeAnswer<'a> {
    pub contact: &'a ContactId,
    /// As it was written, whatever that is.
    pub challenge: &'a str,
    /// As it was written, whatever that is.
    pub code: &'a str,
}

impl ValidateCode {
    pub(super) fn new(ports: &FactorsPorts, settings: &FactorsSettings) -> Self {
        Self {
            edits: Edits::new(ports),
            code_digester: ports.code_digester.clone(),
            limits: settings.codes,
        }
    }

    /// The attempt is counted in the store before anything is compared. Of several right answers at once one is
    /// accepted.
    pub async fn run(&self, call: &Call, user: &UserId, given: CodeAnswer<'_>) -> Result<(), ValidateCodeError> {
        let challenge = ChallengeId::parse(given.challenge);
        let answer = Answer {
            challenge: challenge.as_ref(),
            client: &call.client,
        };
        let contact = self.edits.contact(call, user, given.contact).await?;
        let Charge::Counted(expected) = self.charge(&contact, answer).await? else {
            return Err(ValidateCodeError::UsedUp);
        };
        // An unknown challenge costs the same work as a wrong code.
        let nobodys = ChallengeId::from_random([0; 16]);
        let presented = self
            .code_digester
            .digest(challenge.as_ref().unwrap_or(&nobodys), given.code);
        let is_right = expected.unwrap_or(CodeDigest([0; 32])) == presented && expected.is_some();
        if is_right && self.solve(&contact, answer).await? {
            return Ok(());
        }
        if !is_right {
            self.tell_exhausted(&contact, answer).await?;
        }
        Err(ValidateCodeError::Wrong)
    }

    async fn charge(&self, contact: &ContactInView<'_>, answer: Answer<'_>) -> Result<Charge, ContactError> {
        self.edits
            .edit_contact(contact, |owner, set, now| {
                let target = edits::target((owner, set), contact.id, &*self.code_digester)?;
                let charge = set.charge(&target, answer, &self.limits, now);
                if charge != Charge::UsedUp {
                    return Ok(Decision::Save(charge, Vec::new()));
                }
                // Whoever used them up may have died before it was told.
                let exhausted = set.exhausted(&target, answer, &self.limits, now);
                Ok(telling(charge, exhausted, set.told(owner, contact.id)))
            })
            .await
    }

    async fn solve(&self, contact: &ContactInView<'_>, answer: Answer<'_>) -> Result<bool, ContactError> {
        self.edits
            .edit_contact(contact, |owner, set, _| {
                let target = edits::target((owner, set), contact.id, &*self.code_digester)?;
                if !set.solve(&target, answer) {
                    return Ok(Decision::Leave(false));
                }
                let verified = set.told(owner, contact.id);
                let told = verified.map(|contact| Told::Contact(EventKind::FactorVerified, contact));
                Ok(Decision::Save(true, told.into_iter().collect()))
            })
            .await
    }

    async fn tell_exhausted(&self, contact: &ContactInView<'_>, answer: Answer<'_>) -> Result<(), ContactError> {
        self.edits
            .edit_contact(contact, |owner, set, now| {
                let Ok(target) = edits::target((owner, set), contact.id, &*self.code_digester) else {
                    return Ok(Decision::Leave(()));
                };
                let exhausted = set.exhausted(&target, answer, &self.limits, now);
                Ok(telling((), exhausted, set.told(owner, contact.id)))
            })
            .await
    }
}

/// What came of it, saved when something is used up that was not told yet.
fn telling<T>(outcome: T, exhausted: Option<Exhausted>, contact: Option<OwnContact>) -> Decision<T> {
    match exhausted.zip(contact) {
        Some((exhausted, contact)) => Decision::Save(outcome, vec![Told::Exhausted(exhausted, contact)]),
        None => Decision::Leave(outcome),
    }
}
