use std::sync::Arc;

use domain::caller::Call;
use domain::event::EventKind;
use domain::factors::{AttemptDecision, ChallengeId, CodeAnswer, CodeDigest, CodeLimits, ExhaustedBudget, OwnContact};
use domain::ids::{ContactId, UserId};
use ports::factors::CodeDigester;

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, PendingEvent, VisibleContact};
use super::{FactorsPorts, FactorsSettings, factor_set_editor};

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
    editor: FactorSetEditor,
    code_digester: Arc<dyn CodeDigester>,
    limits: CodeLimits,
}

/// What a caller answers.
#[derive(Clone, Copy)]
pub struct CodeSubmission<'a> {
    pub contact: &'a ContactId,
    /// As it was written, whatever that is.
    pub challenge: &'a str,
    /// As it was written, whatever that is.
    pub code: &'a str,
}

impl ValidateCode {
    pub(super) fn new(ports: &FactorsPorts, settings: &FactorsSettings) -> Self {
        Self {
            editor: FactorSetEditor::new(ports),
            code_digester: ports.code_digester.clone(),
            limits: settings.codes,
        }
    }

    /// The attempt is counted in the store before anything is compared. Of several right answers at once one is
    /// accepted.
    pub async fn run(&self, call: &Call, user: &UserId, given: CodeSubmission<'_>) -> Result<(), ValidateCodeError> {
        let challenge = ChallengeId::parse(given.challenge);
        let answer = CodeAnswer {
            challenge: challenge.as_ref(),
            client: &call.client,
        };
        let contact = self.editor.visible_contact(call, user, given.contact).await?;
        let AttemptDecision::Counted(expected) = self.count_attempt(&contact, answer).await? else {
            return Err(ValidateCodeError::UsedUp);
        };
        // An unknown challenge costs the same work as a wrong code.
        let nobodys = ChallengeId::from_random([0; 16]);
        let presented = self
            .code_digester
            .digest(challenge.as_ref().unwrap_or(&nobodys), given.code);
        let is_right = expected.unwrap_or(CodeDigest([0; 32])) == presented && expected.is_some();
        if is_right && self.accept_answer(&contact, answer).await? {
            return Ok(());
        }
        if !is_right {
            self.record_exhaustion(&contact, answer).await?;
        }
        Err(ValidateCodeError::Wrong)
    }

    async fn count_attempt(
        &self,
        contact: &VisibleContact<'_>,
        answer: CodeAnswer<'_>,
    ) -> Result<AttemptDecision, ContactError> {
        self.editor
            .edit_contact(contact, |owner, set, now| {
                let target = factor_set_editor::code_target((owner, set), contact.id, &*self.code_digester)?;
                let charge = set.count_attempt(&target, answer, &self.limits, now);
                if charge != AttemptDecision::Exhausted {
                    return Ok(EditDecision::Save(charge, Vec::new()));
                }
                // Whoever used them up may have died before it was told.
                let exhausted = set.take_exhaustion(&target, answer, &self.limits, now);
                Ok(save_if_exhausted(charge, exhausted, set.view_of(owner, contact.id)))
            })
            .await
    }

    async fn accept_answer(&self, contact: &VisibleContact<'_>, answer: CodeAnswer<'_>) -> Result<bool, ContactError> {
        self.editor
            .edit_contact(contact, |owner, set, _| {
                let target = factor_set_editor::code_target((owner, set), contact.id, &*self.code_digester)?;
                if !set.accept_answer(&target, answer) {
                    return Ok(EditDecision::Unchanged(false));
                }
                let verified = set.view_of(owner, contact.id);
                let told = verified.map(|contact| PendingEvent::Contact(EventKind::FactorVerified, contact));
                Ok(EditDecision::Save(true, told.into_iter().collect()))
            })
            .await
    }

    async fn record_exhaustion(
        &self,
        contact: &VisibleContact<'_>,
        answer: CodeAnswer<'_>,
    ) -> Result<(), ContactError> {
        self.editor
            .edit_contact(contact, |owner, set, now| {
                let Ok(target) = factor_set_editor::code_target((owner, set), contact.id, &*self.code_digester) else {
                    return Ok(EditDecision::Unchanged(()));
                };
                let exhausted = set.take_exhaustion(&target, answer, &self.limits, now);
                Ok(save_if_exhausted((), exhausted, set.view_of(owner, contact.id)))
            })
            .await
    }
}

/// What came of it, saved when something is used up that was not told yet.
fn save_if_exhausted<T>(
    outcome: T,
    exhausted: Option<ExhaustedBudget>,
    contact: Option<OwnContact>,
) -> EditDecision<T> {
    match exhausted.zip(contact) {
        Some((exhausted, contact)) => EditDecision::Save(outcome, vec![PendingEvent::Exhausted(exhausted, contact)]),
        None => EditDecision::Unchanged(outcome),
    }
}
