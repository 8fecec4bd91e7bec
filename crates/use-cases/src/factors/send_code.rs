use std::sync::Arc;

use domain::caller::Call;
use domain::contact::{ContactType, ContactValue};
use domain::factors::{
    Challenge, ChallengeId, CodeLimits, CodeTarget, OneTimeCode, Purpose, SendQuota, SendQuotaKey, SendQuotaSettings,
};
use domain::ids::{ContactId, UserId};
use domain::time::{self, Timestamp};
use ports::factors::{CodeDelivery, CodeDigester, CodeMessage, DeliveryError, QuotaDecision, SendQuotas};
use ports::{Clients, Clock, CodeSendOutcome, MetricEvent, Randomness, StoreError, Telemetry};

use super::factor_set_editor::{ContactError, EditDecision, FactorSetEditor, VisibleContact};
use super::process_limit::{LimitReached, ProcessLimit};
use super::{FactorsPorts, FactorsSettings, factor_set_editor};
use crate::UseCaseError;

/// The reason why no code was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendCodeError {
    #[error(transparent)]
    Contact(#[from] ContactError),
    #[error("too many codes were sent")]
    TooMany { until: Timestamp, now: Timestamp },
    /// This process has sent as many messages as it may in an hour.
    #[error("the process has sent `codes.sends_per_hour` codes within an hour")]
    ProcessLimit { until: Timestamp, now: Timestamp },
    #[error("codes are not sent to mobile numbers of this region")]
    RegionNotAllowed,
    /// The attempts of the contact or the user are used up. A code could not be answered, so none is sent, and no quota
    /// is taken.
    #[error("the attempts are used up")]
    UsedUp,
    /// The gateway refuses the contact for good. The quota stays taken, so that a caller cannot try addresses
    /// for free.
    #[error("the gateway refuses the contact")]
    RecipientRefused(ContactType),
    /// The quota stays taken, because the message may have been sent. A repeated request sends another code.
    #[error(transparent)]
    NotDelivered(DeliveryError),
}

impl From<StoreError> for SendCodeError {
    fn from(error: StoreError) -> Self {
        Self::Contact(error.into())
    }
}

/// A code that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentCode {
    pub challenge: ChallengeId,
    pub to: ContactValue,
    /// The first instant at which the code is no longer accepted.
    pub expires_at: Timestamp,
}

/// Sends a one-time code to a contact of the calling user.
pub struct SendCode {
    editor: FactorSetEditor,
    clients: Arc<dyn Clients>,
    send_quotas: Arc<dyn SendQuotas>,
    code_digester: Arc<dyn CodeDigester>,
    delivery: Arc<dyn CodeDelivery>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    telemetry: Arc<dyn Telemetry>,
    quotas: SendQuotaSettings,
    process_limit: ProcessLimit,
    regions: Vec<String>,
    codes: CodeLimits,
}

impl SendCode {
    pub(super) fn new(ports: &FactorsPorts, settings: &FactorsSettings) -> Self {
        Self {
            editor: FactorSetEditor::new(ports),
            clients: ports.stores.clients.clone(),
            send_quotas: ports.stores.send_quotas.clone(),
            code_digester: ports.code_digester.clone(),
            delivery: ports.delivery.clone(),
            clock: ports.runtime.clock.clone(),
            randomness: ports.runtime.randomness.clone(),
            telemetry: ports.runtime.telemetry.clone(),
            quotas: settings.sends,
            process_limit: ProcessLimit::new(settings.sends_per_hour),
            regions: settings.regions.clone(),
            codes: settings.codes,
        }
    }

    /// Sends a code (docs/protocols.md "Send quotas").
    ///
    /// 1. Rejects if the attempts of the contact or user are used up, or if no codes are sent to the region of a number.
    /// 2. Takes from the quotas. A later failure gives nothing back, because the message may have been sent.
    /// 3. Stores the challenge, so that the code can be answered before it arrives.
    /// 4. Delivers the message.
    ///
    /// Metrics count the outcome.
    #[tracing::instrument(
        level = "debug",
        name = "send_code",
        skip_all,
        fields(client = call.client.as_str(), user = user.as_str())
    )]
    pub async fn run(&self, call: &Call, user: &UserId, contact: &ContactId) -> Result<SentCode, SendCodeError> {
        let result = self.send(call, user, contact).await;
        if let Some(outcome) = metric_outcome(&result) {
            self.telemetry.record(MetricEvent::CodeSend(outcome));
        }
        result
    }

    async fn send(&self, call: &Call, user: &UserId, contact: &ContactId) -> Result<SentCode, SendCodeError> {
        let visible = self.editor.visible_contact(call, user, contact).await?;
        let (owner, set) = self.editor.find_contact(&visible).await?;
        let target = factor_set_editor::code_target((&owner, &set), contact, &*self.code_digester)?;
        if set.is_exhausted(&target, &self.codes, self.clock.now()) {
            return Err(SendCodeError::UsedUp);
        }
        self.require_allowed_region(&target.value)?;
        let texts = self
            .clients
            .find(&call.client)
            .await?
            .and_then(|client| client.message_templates);
        self.take_quotas(user, &target).await?;
        let sent_at = self.clock.now();
        let message = CodeMessage {
            challenge: ChallengeId::from_random(self.randomness.nonce()),
            to: target.value.clone(),
            code: OneTimeCode::draw(|| self.randomness.nonce()),
            client: call.client.clone(),
            message_templates: texts,
            sent_at,
            expires_at: time::after(sent_at, self.codes.lifetime),
        };
        self.store_challenge(&visible, &target, &message).await?;
        self.deliver(&message).await?;
        Ok(SentCode {
            challenge: message.challenge,
            to: message.to,
            expires_at: message.expires_at,
        })
    }

    fn require_allowed_region(&self, to: &ContactValue) -> Result<(), SendCodeError> {
        match to {
            ContactValue::Mobile(mobile) if !self.regions.iter().any(|region| region == mobile.region()) => {
                Err(SendCodeError::RegionNotAllowed)
            }
            _ => Ok(()),
        }
    }

    /// Takes from the quotas of the user and the contact, and from the limit of the process.
    ///
    /// All but the user's quota are peeked at first, so that an exhausted one costs the user nothing. The user's quota is
    /// taken before those of a destination, so that a user without quota cannot use up the quota of another user's
    /// number.
    async fn take_quotas(&self, user: &UserId, target: &CodeTarget) -> Result<(), SendCodeError> {
        let of_contact = match target.purpose {
            Purpose::Confirm => self.quotas.verified(user, &target.id),
            Purpose::Verify => {
                let digest = self.code_digester.destination_digest(&target.value);
                self.quotas.unverified(&digest)
            }
        };
        let now = self.clock.now();
        let limit_reached = |LimitReached { until }| SendCodeError::ProcessLimit { until, now };
        self.process_limit.peek(now).map_err(limit_reached)?;
        for (key, quota) in &of_contact {
            require_allowed(self.send_quotas.peek(key, *quota, now).await?, now)?;
        }
        self.take(&SendQuotaKey::user(user), self.quotas.per_user).await?;
        for (key, quota) in &of_contact {
            self.take(key, *quota).await?;
        }
        self.process_limit.take(now).map_err(limit_reached)
    }

    async fn take(&self, key: &SendQuotaKey, quota: SendQuota) -> Result<(), SendCodeError> {
        let now = self.clock.now();
        require_allowed(self.send_quotas.take(key, quota, now).await?, now)
    }

    async fn deliver(&self, message: &CodeMessage) -> Result<(), SendCodeError> {
        let delivered = self.delivery.deliver(message).await;
        delivered.map_err(|error| match error {
            DeliveryError::RecipientRefused(_) => SendCodeError::RecipientRefused(message.to.contact_type()),
            DeliveryError::Failed(_) => SendCodeError::NotDelivered(error),
        })
    }

    /// Stores the challenge if the contact is still the one that the quotas were taken for.
    async fn store_challenge(
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
                // Another request changed or removed the contact in the meantime. The caller gets 503 and may repeat.
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

fn require_allowed(decision: QuotaDecision, now: Timestamp) -> Result<(), SendCodeError> {
    match decision {
        QuotaDecision::Allowed => Ok(()),
        QuotaDecision::Exceeded { retry_at: until } => Err(SendCodeError::TooMany { until, now }),
    }
}

/// Returns the outcome that metrics count. A request that named no contact of the user, or came after too many attempts,
/// asked for no message.
fn metric_outcome(result: &Result<SentCode, SendCodeError>) -> Option<CodeSendOutcome> {
    match result {
        Ok(_) => Some(CodeSendOutcome::Sent),
        Err(SendCodeError::TooMany { .. }) => Some(CodeSendOutcome::Quota),
        Err(SendCodeError::ProcessLimit { .. }) => Some(CodeSendOutcome::ProcessLimit),
        Err(SendCodeError::RegionNotAllowed) => Some(CodeSendOutcome::Region),
        Err(SendCodeError::RecipientRefused(_)) => Some(CodeSendOutcome::Refused),
        Err(SendCodeError::NotDelivered(_)) => Some(CodeSendOutcome::Failed),
        Err(SendCodeError::Contact(_) | SendCodeError::UsedUp) => None,
    }
}
