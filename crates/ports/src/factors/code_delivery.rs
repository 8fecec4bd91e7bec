use std::error::Error;

use async_trait::async_trait;
use domain::contact::ContactValue;
use domain::factors::{ChallengeId, OneTimeCode};
use domain::ids::ClientId;
use domain::time::Timestamp;

/// A code on its way to a contact.
#[derive(Debug, Clone)]
pub struct CodeMessage {
    /// Unique to this sending: a gateway that sees it twice sends once.
    pub challenge: ChallengeId,
    pub to: ContactValue,
    pub code: OneTimeCode,
    /// The application the user is at.
    pub client: ClientId,
    /// The texts that this client chose, by name; `None` for the default ones.
    pub texts: Option<String>,
    pub sent_at: Timestamp,
    /// First instant at which the code is dead.
    pub expires_at: Timestamp,
}

/// The message was not handed over. It may have been, when the answer was lost.
#[derive(Debug, thiserror::Error)]
#[error("the code could not be handed to the gateway")]
pub struct DeliveryError(#[source] pub Box<dyn Error + Send + Sync>);

/// Carries codes to their users: by mail, by text message, or into a file for local use.
///
/// Returns once a gateway took the message, after retries with the same code. A repeated call sends again.
#[async_trait]
pub trait CodeDelivery: Send + Sync {
    async fn deliver(&self, message: &CodeMessage) -> Result<(), DeliveryError>;
}
