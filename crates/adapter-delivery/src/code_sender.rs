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
use crate::transport::{RenderedMessage, Transport};

/// The pause after the first failed attempt. The second pause is twice as long. Jitter can double each of them, so that
/// messages that failed at the same time are not repeated at the same time. Both pauses are short compared to the
/// default [`DeliverySettings::time_limit`] of ten seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_RETRIES: usize = 2;

/// The maximum number of messages in flight on one route. It bounds the connections that a burst of codes opens to one server.
const MAX_IN_FLIGHT: usize = 32;

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
/// Each route has at most 32 messages in flight. Further messages wait, and the wait counts towards their time limit.
///
/// A message continues after its caller is gone, until it is sent or its time limit is over. Example: caller A drops its
/// request while the mail server reads the mail. If the connection were cut at that point, it would stay unknown whether
/// the mail was sent.
///
/// Each failed attempt and each message that was not sent are logged as warnings, with the challenge id and the cause.
pub struct CodeSender {
    templates: MessageTemplates,
    mail: Arc<Route>,
    text_message: Arc<Route>,
    time_limit: Duration,
    runtime: Handle,
}

/// Checks every text and builds both routes, without connecting. Messages are sent on the Tokio runtime that this
/// function is called on, even if [`CodeDelivery::deliver`] is called on another one.
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
        time_limit: settings.time_limit,
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
            warn_not_sent(&message.challenge, error);
        })?;
        let task = send_with_timeout(route, rendered, self.time_limit).in_current_span();
        let joined = self.runtime.spawn(task).await;
        joined.unwrap_or_else(|error| Err(SendError::Aborted(Box::new(error))))
    }
}

#[async_trait]
impl CodeDelivery for CodeSender {
    async fn deliver(&self, message: &CodeMessage) -> Result<(), DeliveryError> {
        let result = self.send_detached(message).await;
        result.map_err(|error| {
            if error.is_about_recipient() {
                DeliveryError::RecipientRefused(Box::new(error))
            } else {
                DeliveryError::Failed(Box::new(error))
            }
        })
    }
}

impl fmt::Debug for CodeSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeSender").finish_non_exhaustive()
    }
}

async fn send_with_timeout(
    route: Arc<Route>,
    rendered: RenderedMessage,
    time_limit: Duration,
) -> Result<(), SendError> {
    let result = timeout(time_limit, send_with_retries(&route, &rendered)).await;
    let result = result.unwrap_or(Err(SendError::TimedOut));
    result.inspect_err(|error| warn_not_sent(&rendered.message.challenge, error))
}

async fn send_with_retries(route: &Route, rendered: &RenderedMessage) -> Result<(), SendError> {
    let permit = route.permits.acquire().await;
    let _permit = permit.map_err(|closed| SendError::Aborted(Box::new(closed)))?;
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(MAX_RETRIES)
        .with_jitter();
    let attempt = || send_once(route.transport.as_ref(), rendered);
    attempt.retry(pauses).when(SendError::is_transient).await
}

async fn send_once(transport: &dyn Transport, rendered: &RenderedMessage) -> Result<(), SendError> {
    let result = transport.send(rendered).await;
    result.inspect_err(|error| warn_attempt_failed(&rendered.message.challenge, error))
}

fn warn_attempt_failed(challenge: &ChallengeId, error: &SendError) {
    tracing::warn!(
        challenge = challenge.as_str(),
        error = error as &dyn Error,
        "an attempt to send a code failed"
    );
}

/// Logs the final failure of a message.
fn warn_not_sent(challenge: &ChallengeId, error: &SendError) {
    tracing::warn!(
        challenge = challenge.as_str(),
        error = error as &dyn Error,
        "a code was not sent"
    );
}

#[cfg(test)]
mod tests;
