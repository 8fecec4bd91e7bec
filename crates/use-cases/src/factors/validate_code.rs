use std::sync::Arc;

use domain::caller::Call;
use domain::factors::events::FACTOR_VERIFIED;
use domain::factors::{AttemptDecision, ChallengeId, CodeAnswer, CodeDigest, CodeLimits, ExhaustedBudget, OwnContact};
use domain::ids::{ContactId, UserId};
use ports::factors::CodeDigester;

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, PendingEvent, VisibleContact};
use super::{FactorsPorts, FactorsSettings, factor_set_editor};

/// The reason why a code was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ValidateCodeError {
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// The code is wrong, expired or used, or the challenge is unknown. The caller does not learn which.
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

/// The answer of a caller.
#[derive(Clone, Copy)]
pub struct CodeSubmission<'a> {
    pub contact: &'a ContactId,
    /// The caller's text, not yet parsed.
    pub challenge: &'a str,
    /// The caller's text, not yet parsed.
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

    /// Validates a code (docs/protocols.md "One-time codes").
    ///
    /// 1. Counts the attempt against the challenge, the contact and the user. If one of these budgets is used up,
    ///    nothing is compared.
    /// 2. Compares the digests in constant time.
    /// 3. Right: removes the challenge and marks the contact verified. Of several parallel right answers, only the
    ///    first to save finds the challenge and is accepted.
    /// 4. Wrong: pushes `factor.attempts-exhausted` if this attempt used up a budget.
    ///
    /// The attempt is counted before the comparison, because A and 199 others may send wrong codes at the same time. If
    /// each compared first, all 200 could compare before the first count. So only five count an attempt, and the others
    /// find the budget used up.
    #[tracing::instrument(
        level = "debug",
        name = "validate_code",
        skip_all,
        fields(client = call.client.as_str(), user = user.as_str())
    )]
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
        // Without a challenge, the same work is done with a digest that matches nothing, so that the response time does
        // not reveal it.
        let decoy = ChallengeId::from_random([0; 16]);
        let presented = self
            .code_digester
            .digest(challenge.as_ref().unwrap_or(&decoy), given.code);
        let is_right = expected.unwrap_or(CodeDigest([0; 32])) == presented && expected.is_some();
        if is_right && self.accept_answer(&contact, answer).await? {
            return Ok(());
        }
        if !is_right {
            self.record_exhaustion(&contact, answer).await?;
        }
        Err(ValidateCodeError::Wrong)
    }

    /// Counts an attempt and returns the digest to compare with.
    async fn count_attempt(
        &self,
        contact: &VisibleContact<'_>,
        answer: CodeAnswer<'_>,
    ) -> Result<AttemptDecision, ContactError> {
        self.editor
            .edit_contact(contact, |owner, set, now| {
                let target = factor_set_editor::code_target((owner, set), contact.id, &*self.code_digester)?;
                let decision = set.count_attempt(&target, answer, &self.limits, now);
                if decision != AttemptDecision::Exhausted {
                    return Ok(EditDecision::Save(decision, Vec::new()));
                }
                // The process that counted the last attempt may have died before it pushed the event.
                let exhausted = set.take_exhaustion(&target, answer, &self.limits, now);
                Ok(save_if_exhausted(decision, exhausted, set.view_of(owner, contact.id)))
            })
            .await
    }

    /// Accepts a right answer. Returns false if a parallel request used the challenge first.
    async fn accept_answer(&self, contact: &VisibleContact<'_>, answer: CodeAnswer<'_>) -> Result<bool, ContactError> {
        self.editor
            .edit_contact(contact, |owner, set, _| {
                let target = factor_set_editor::code_target((owner, set), contact.id, &*self.code_digester)?;
                if !set.accept_answer(&target, answer) {
                    return Ok(EditDecision::Unchanged(false));
                }
                let verified = set.view_of(owner, contact.id);
                let event = verified.map(|contact| PendingEvent::Contact(FACTOR_VERIFIED, contact));
                Ok(EditDecision::Save(true, event.into_iter().collect()))
            })
            .await
    }

    /// Pushes the event of a budget that this attempt used up. Does nothing if the contact was removed in the meantime.
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

/// Saves the set with the event of an exhausted budget, if there is one that has not been reported.
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
