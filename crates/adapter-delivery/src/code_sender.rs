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

/// After a failed try, and twice as long after the next; each is lengthened at random by up to as much again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const RETRIES: usize = 2;

/// Messages under way on a route at once.
const MAX_IN_FLIGHT: usize = 32;

/// A message in its words.
pub(crate) struct RenderedMessage {
    pub(crate) message: CodeMessage,
    /// Of a mail.
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
}

/// One way out. Its future may be dropped at any point.
#[async_trait]
pub(crate) trait Transport: Send + Sync {
    /// One try.
    async fn send(&self, letter: &RenderedMessage) -> Result<(), SendError>;
}

/// A way out, and room on it.
struct Route {
    transport: Arc<dyn Transport>,
    permits: Semaphore,
}

impl Route {
    fn new(carrier: Arc<dyn Transport>) -> Arc<Self> {
        let room = Semaphore::new(MAX_IN_FLIGHT);
        Arc::new(Self {
            transport: carrier,
            permits: room,
        })
    }
}

/// Mail for addresses, text messages for numbers.
///
/// A few dozen messages are under way on each at once; more wait for their turn. A message under way goes on when nobody
/// waits for it any more, until it is handed over or its time is up. Each failed try is a warning in the log, with the
/// challenge and the cause.
pub struct CodeSender {
    templates: MessageTemplates,
    mail: Arc<Route>,
    text_message: Arc<Route>,
    within: Duration,
    runtime: Handle,
}

/// Checks every text and makes what the routes need; nothing is connected yet. Messages are sent on the runtime that this
/// is called on, whichever they are handed in from.
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
        let letter = RenderedMessage {
            message: message.clone(),
            subject,
            text,
        };
        Ok((route.clone(), letter))
    }

    async fn send_detached(&self, message: &CodeMessage) -> Result<(), SendError> {
        let (route, letter) = self.render(message).inspect_err(|failure| {
            warn(&message.challenge, failure);
        })?;
        let task = send_in_time(route, letter, self.within).in_current_span();
        let ended = self.runtime.spawn(task).await;
        ended.unwrap_or_else(|error| Err(SendError::BrokenOff(Box::new(error))))
    }
}

#[async_trait]
impl CodeDelivery for CodeSender {
    async fn deliver(&self, message: &CodeMessage) -> Result<(), DeliveryError> {
        let handed_over = self.send_detached(message).await;
        handed_over.map_err(|failure| DeliveryError(Box::new(failure)))
    }
}

impl fmt::Debug for CodeSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

async fn send_in_time(route: Arc<Route>, letter: RenderedMessage, within: Duration) -> Result<(), SendError> {
    timeout(within, send_with_retries(&route, &letter))
        .await
        .unwrap_or_else(|_| {
            warn(&letter.message.challenge, &SendError::TooLate);
            Err(SendError::TooLate)
        })
}

async fn send_with_retries(route: &Route, letter: &RenderedMessage) -> Result<(), SendError> {
    let turn = route.permits.acquire().await;
    let _turn = turn.map_err(|closed| SendError::BrokenOff(Box::new(closed)))?;
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(RETRIES)
        .with_jitter();
    let tries = || send_once(route.transport.as_ref(), letter);
    tries.retry(pauses).when(SendError::is_transient).await
}

async fn send_once(carrier: &dyn Transport, letter: &RenderedMessage) -> Result<(), SendError> {
    let ended = carrier.send(letter).await;
    ended.inspect_err(|failure| warn(&letter.message.challenge, failure))
}

fn warn(challenge: &ChallengeId, failure: &SendError) {
    tracing::warn!(
        challenge = challenge.as_str(),
        error = failure as &dyn Error,
        "a code was not handed over"
    );
}

#[cfg(test)]
mod tests;
