use std::sync::Arc;

use domain::caller::Call;
use domain::contact::ContactValue;
use domain::factors::{
    Challenge, ChallengeId, CodeLimits, CodeTarget, OneTimeCode, SendQuota, SendQuotaKey, SendQuotaSettings as Limits,
};
use domain::ids::{ContactId, UserId};
use domain::time::{self, Timestamp};
use ports::factors::{CodeDelivery, CodeDigester, CodeMessage, DeliveryError, QuotaDecision, SendQuotas};
use ports::{Clients, Clock, Randomness, StoreError};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, VisibleContact};
use super::{FactorsPorts, FactorsSettings, factor_set_editor};
use crate::UseCaseError;

/// Why no code was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendCodeError {
    #[error(transparent)]
    Contact(#[from] ContactError),
    #[error("too many codes were sent")]
    TooMany { until: Timestamp, now: Timestamp },
    /// Of the contact, or of the user: no code could be answered, so none is sent and nothing is charged.
    #[error("the attempts are used up")]
    UsedUp,
    /// The sending stays counted, and asking again sends another code.
    #[error(transparent)]
    NotDelivered(#[from] DeliveryError),
}

impl From<StoreError> for SendCodeError {
    fn from(failure: StoreError) -> Self {
        Self::Contact(failure.into())
    }
}

/// A code on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentCode {
    pub challenge: ChallengeId,
    pub to: ContactValue,
    /// First instant at which the code is dead.
    pub expires_at: Timestamp,
}

/// Sends a one-time code to a contact of the calling user.
pub struct SendCode {
    editor: FactorSetEditor,
    clients: Arc<dyn Clients>,
    send_limits: Arc<dyn SendQuotas>,
    code_digester: Arc<dyn CodeDigester>,
    delivery: Arc<dyn CodeDelivery>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    quotas: Limits,
    codes: CodeLimits,
}

impl SendCode {
    pub(super) fn new(ports: &FactorsPorts, settings: &FactorsSettings) -> Self {
        Self {
            editor: FactorSetEditor::new(ports),
            clients: ports.clients.clone(),
            send_limits: ports.send_quotas.clone(),
            code_digester: ports.code_digester.clone(),
            delivery: ports.delivery.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
            quotas: settings.sends,
            codes: settings.codes,
        }
    }

    /// Counted before anything is sent; of what fails afterwards nothing is taken back.
    pub async fn run(&self, call: &Call, user: &UserId, contact: &ContactId) -> Result<SentCode, SendCodeError> {
        let in_view = self.editor.visible_contact(call, user, contact).await?;
        let (owner, set) = self.editor.find_contact(&in_view).await?;
        let target = factor_set_editor::code_target((&owner, &set), contact, &*self.code_digester)?;
        if set.is_exhausted(&target, &self.codes, self.clock.now()) {
            return Err(SendCodeError::UsedUp);
        }
        let texts = self.clients.find(&call.client).await?.and_then(|client| client.texts);
        // Where no more goes costs the user nothing; a user who may send no more uses up nobody's destination.
        let destination = &target.destination;
        self.peek(destination, self.quotas.per_destination).await?;
        self.take(&SendQuotaKey::user(user), self.quotas.per_user).await?;
        self.take(destination, self.quotas.per_destination).await?;
        let sent_at = self.clock.now();
        let message = CodeMessage {
            challenge: ChallengeId::from_random(self.randomness.nonce()),
            to: target.value.clone(),
            code: OneTimeCode::draw(|| self.randomness.nonce()),
            client: call.client.clone(),
            texts,
            sent_at,
            expires_at: time::after(sent_at, self.codes.lifetime),
        };
        self.store(&in_view, &target, &message).await?;
        self.delivery.deliver(&message).await?;
        Ok(SentCode {
            challenge: message.challenge,
            to: message.to,
            expires_at: message.expires_at,
        })
    }

    async fn peek(&self, key: &SendQuotaKey, limit: SendQuota) -> Result<(), SendCodeError> {
        let now = self.clock.now();
        require_allowed(self.send_limits.peek(key, limit, now).await?, now)
    }

    async fn take(&self, key: &SendQuotaKey, limit: SendQuota) -> Result<(), SendCodeError> {
        let now = self.clock.now();
        require_allowed(self.send_limits.take(key, limit, now).await?, now)
    }

    async fn store(
        &self,
        contact: &VisibleContact<'_>,
        target: &CodeTarget,
        message: &CodeMessage,
    ) -> Result<(), ContactError> {
        let challenge = Challenge {
            id: message.challenge.clone(),
            digest: self.code_digester.digest(&message.challenge, message.code.reveal()),
            revision: target.revision,
            purpose: target.purpose,
            client: message.client.clone(),
            attempts: 0,
            is_exhaustion_reported: false,
            expires_at: message.expires_at,
        };
        self.editor
            .edit_contact(contact, |owner, set, now| {
                // It was charged as it was found; as something else it is not sent to.
                let found = factor_set_editor::code_target((owner, set), &target.id, &*self.code_digester);
                if !found.is_ok_and(|found| found == *target) {
                    return Err(UseCaseError::Contended.into());
                }
                set.start_challenge(target, challenge.clone(), now);
                Ok(EditDecision::Save((), Vec::new()))
            })
            .await
    }
}

fn require_allowed(charge: QuotaDecision, now: Timestamp) -> Result<(), SendCodeError> {
    match charge {
        QuotaDecision::Allowed => Ok(()),
        QuotaDecision::Exceeded { retry_at: until } => Err(SendCodeError::TooMany { until, now }),
    }
}
