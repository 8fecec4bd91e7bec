use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use domain::contact::ContactValue;
use domain::factors::ChallengeId;
use ports::factors::{CodeDelivery, CodeMessage, DeliveryError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::error::{OpenError, SendError};
use crate::file_sink::FileSink;
use crate::settings::{DeliverySettings, MailRoute, TextMessageRoute};
use crate::sms_gateway::SmsGateway;
use crate::smtp::SmtpDelivery;
use crate::texts::MessageTemplates;

/// The pause after the first failed attempt; the second is twice as long. Jitter adds up to as much again, so that
/// messages that failed together are not repeated together. Both pauses are short beside the ten seconds of
/// [`DeliverySettings::within`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_RETRIES: usize = 2;

/// Messages in flight on one route. It bounds the connections that a burst of codes opens to one server.
const MAX_IN_FLIGHT: usize = 32;

/// A message with its texts filled in.
pub(crate) struct RenderedMessage {
    pub(crate) message: CodeMessage,
    /// Present in a mail only.
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
}

/// Sends messages to one server, or into one file. The future may be dropped at any point.
#[async_trait]
pub(crate) trait Transport: Send + Sync {
    /// Makes one attempt.
    async fn send(&self, rendered: &RenderedMessage) -> Result<(), SendError>;
}

/// A transport, and the permits that limit its messages in flight.
struct Route {
    transport: Arc<dyn Transport>,
    permits: Semaphore,
}

impl Route {
    fn new(transport: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self {
            transport,
            permits: Semaphore::new(MAX_IN_FLIGHT),
        })
    }
}

/// Sends codes: mail to addresses, text messages to numbers.
///
/// Each route has 32 messages in flight at most; further messages wait within their own time limit. A message that was
/// started continues when its caller goes away, until it is sent or its time is over: A drops its request while the
/// mail server is reading. Cutting the mail off there would leave open whether it was sent. Each failed attempt is
/// logged as a warning with the challenge id and the cause.
pub struct CodeSender {
    templates: MessageTemplates,
    mail: Arc<Route>,
    text_message: Arc<Route>,
    within: Duration,
    runtime: Handle,
}

/// Checks every text and builds both routes, without connecting. Messages are sent on the Tokio runtime that this is
/// called on, also when [`CodeDelivery::deliver`] is called from another one.
pub fn open(settings: DeliverySettings) -> Result<CodeSender, OpenError> {
    Ok(CodeSender {
        templates: MessageTemplates::open(&settings.texts)?,
        mail: Route::new(match settings.mail {
            MailRoute::Smtp(smtp) => Arc::new(SmtpDelivery::open(smtp)?),
            MailRoute::File(path) => Arc::new(FileSink::open(path)?),
        }),
        text_message: Route::new(match settings.text_message {
            TextMessageRoute::Gateway(gateway) => Arc::new(SmsGateway::open(gateway)?),
            TextMessageRoute::File(path) => Arc::new(FileSink::open(path)?),
        }),
        within: settings.within,
        runtime: Handle::current(),
    })
}

impl CodeSender {
    fn render(&self, message: &CodeMessage) -> Result<(Arc<Route>, RenderedMessage), SendError> {
        let texts = self.templates.select(message);
        let (route, subject, text) = match message.to {
            ContactValue::Email(_) => (&self.mail, Some(texts.subject(message)?), texts.mail(message)?),
            ContactValue::Mobile(_) => (&self.text_message, None, texts.text_message(message)?),
        };
        let rendered = RenderedMessage {
            message: message.clone(),
            subject,
            text,
        };
        Ok((route.clone(), rendered))
    }

    async fn send_detached(&self, message: &CodeMessage) -> Result<(), SendError> {
        let (route, rendered) = self.render(message).inspect_err(|error| {
            warn(&message.challenge, error);
        })?;
        let task = send_in_time(route, rendered, self.within).in_current_span();
        let joined = self.runtime.spawn(task).await;
        joined.unwrap_or_else(|error| Err(SendError::BrokenOff(Box::new(error))))
    }
}

#[async_trait]
impl CodeDelivery for CodeSender {
    async fn deliver(&self, message: &CodeMessage) -> Result<(), DeliveryError> {
        let result = self.send_detached(message).await;
        result.map_err(|error| DeliveryError(Box::new(error)))
    }
}

impl fmt::Debug for CodeSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeSender").finish_non_exhaustive()
    }
}

async fn send_in_time(route: Arc<Route>, rendered: RenderedMessage, within: Duration) -> Result<(), SendError> {
    timeout(within, send_with_retries(&route, &rendered))
        .await
        .unwrap_or_else(|_| {
            warn(&rendered.message.challenge, &SendError::TooLate);
            Err(SendError::TooLate)
        })
}

async fn send_with_retries(route: &Route, rendered: &RenderedMessage) -> Result<(), SendError> {
    let permit = route.permits.acquire().await;
    let _permit = permit.map_err(|closed| SendError::BrokenOff(Box::new(closed)))?;
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(MAX_RETRIES)
        .with_jitter();
    let attempt = || send_once(route.transport.as_ref(), rendered);
    attempt.retry(pauses).when(SendError::is_transient).await
}

async fn send_once(transport: &dyn Transport, rendered: &RenderedMessage) -> Result<(), SendError> {
    let result = transport.send(rendered).await;
    result.inspect_err(|error| warn(&rendered.message.challenge, error))
}

fn warn(challenge: &ChallengeId, error: &SendError) {
    tracing::warn!(
        challenge = challenge.as_str(),
        error = error as &dyn Error,
        "a code could not be sent"
    );
}

#[cfg(test)]
mod tests;
