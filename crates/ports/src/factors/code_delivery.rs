use std::error::Error;

use async_trait::async_trait;
use domain::contact::ContactValue;
use domain::factors::{ChallengeId, OneTimeCode};
use domain::ids::ClientId;
use domain::time::Timestamp;

/// A message that carries a one-time code to a contact.
#[derive(Debug, Clone)]
pub struct CodeMessage {
    /// Unique to this message, for a gateway that recognizes duplicates by an idempotency key.
    pub challenge: ChallengeId,
    /// The recipient, unmasked.
    pub to: ContactValue,
    /// The code in clear; `{:?}` does not show it.
    pub code: OneTimeCode,
    /// The application that the user is using, which a message may name.
    pub client: ClientId,
    /// The name of the client's message templates; `None` for the default ones.
    pub message_templates: Option<String>,
    /// The time of the request.
    pub sent_at: Timestamp,
    /// The first instant at which the code is no longer accepted.
    pub expires_at: Timestamp,
}

/// The reason why a message was not delivered. The source is the error of the last attempt.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The gateway refuses the recipient for good: there is no such mailbox or number, or no server on the way can take
    /// an address like this. A repetition fails the same way.
    #[error("the gateway refuses the recipient")]
    RecipientRefused(#[source] Box<dyn Error + Send + Sync>),
    /// The gateway did not accept the message, or its answer was lost and the message may be sent nevertheless. A
    /// repetition may succeed.
    #[error("the code could not be delivered to the gateway")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// Delivers codes by mail, by text message, or into a file for local use.
///
/// A repeated call sends a second message.
#[async_trait]
pub trait CodeDelivery: Send + Sync {
    /// Sends the message, with retries, and returns once a gateway has accepted it.
    ///
    /// # Errors
    ///
    /// Returns [`DeliveryError`] when no gateway accepted the message.
    async fn deliver(&self, message: &CodeMessage) -> Result<(), DeliveryError>;
}
