use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::fixtures;
use crate::settings::TextsSettings;

const TIME_LIMIT: Duration = Duration::from_secs(8);

/// The outcome of one attempt.
enum Outcome {
    Accepted,
    Failed(SendError),
    Never,
}

/// A transport whose attempts end with the given outcomes. It records the challenge and the text of each attempt.
#[derive(Default)]
struct ScriptedTransport {
    outcomes: Mutex<VecDeque<Outcome>>,
    attempts: Mutex<Vec<(String, String)>>,
    accepted: Notify,
}

impl ScriptedTransport {
    fn with_outcomes(outcomes: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        Arc::new(Self {
            outcomes: Mutex::new(outcomes.into_iter().collect()),
            ..Self::default()
        })
    }

    fn attempt_count(&self) -> usize {
        self.attempts.lock().unwrap().len()
    }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn send(&self, rendered: &RenderedMessage) -> Result<(), SendError> {
        let message = &rendered.message;
        let attempt = (message.challenge.as_str().to_owned(), rendered.text.clone());
        self.attempts.lock().unwrap().push(attempt);
        let outcome = self.outcomes.lock().unwrap().pop_front();
        match outcome.expect("no attempt without an outcome") {
            Outcome::Accepted => {
                self.accepted.notify_one();
                Ok(())
            }
            Outcome::Failed(error) => Err(error),
            Outcome::Never => pending().await,
        }
    }
}

fn connection_refused() -> Outcome {
    Outcome::Failed(SendError::MailServerUnreachable(
        io::ErrorKind::ConnectionRefused.into(),
    ))
}

fn mail_sender(transport: &Arc<ScriptedTransport>) -> CodeSender {
    CodeSender {
        templates: MessageTemplates::open(&TextsSettings::default()).unwrap(),
        mail: Route::new(transport.clone()),
        text_message: Route::new(ScriptedTransport::with_outcomes([])),
        time_limit: TIME_LIMIT,
        runtime: Handle::current(),
    }
}

fn message() -> CodeMessage {
    fixtures::message(fixtures::email("ana@example.com"))
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_repeated_with_the_same_code() {
    let transport = ScriptedTransport::with_outcomes([
        connection_refused(),
        Outcome::Failed(SendError::MailRefused(451)),
        Outcome::Accepted,
    ]);
    mail_sender(&transport).deliver(&message()).await.unwrap();
    let attempts = transport.attempts.lock().unwrap();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| *attempt == attempts[0]) && attempts[0].1.contains("483920"));
}

#[tokio::test(start_paused = true)]
async fn the_third_failed_attempt_is_the_last() {
    let transport =
        ScriptedTransport::with_outcomes([connection_refused(), connection_refused(), connection_refused()]);
    let start = Instant::now();
    mail_sender(&transport).deliver(&message()).await.unwrap_err();
    assert_eq!(transport.attempt_count(), 3);
    let pauses = start.elapsed();
    assert!(
        (Duration::from_millis(600)..Duration::from_millis(1_300)).contains(&pauses),
        "{pauses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_not_retried() {
    for error in [
        SendError::MailRefused(550),
        SendError::GatewayRefused(400),
        SendError::NoMailAddress,
    ] {
        let transport = ScriptedTransport::with_outcomes([Outcome::Failed(error)]);
        mail_sender(&transport).deliver(&message()).await.unwrap_err();
        assert_eq!(transport.attempt_count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_errors_about_the_recipient_refuse_it() {
    for (error, is_refused) in [
        (SendError::RecipientRefused(550), true),
        (SendError::NoSmtpUtf8, true),
        (SendError::NoMailAddress, true),
        (SendError::GatewayRefused(400), true),
        (SendError::GatewayRefused(422), true),
        (SendError::GatewayRefused(401), false),
        (SendError::GatewayRefused(404), false),
        (SendError::MailRefused(550), false),
    ] {
        let text = error.to_string();
        let transport = ScriptedTransport::with_outcomes([Outcome::Failed(error)]);
        let error = mail_sender(&transport).deliver(&message()).await.unwrap_err();
        assert_eq!(
            matches!(error, DeliveryError::RecipientRefused(_)),
            is_refused,
            "{text}"
        );
        assert_eq!(transport.attempt_count(), 1, "{text}");
    }
}

#[test]
fn overload_is_transient_and_rejection_is_not() {
    let is_transient = |status| SendError::GatewayRefused(status).is_transient();
    assert_eq!([408, 429, 500, 503, 302].map(is_transient), [true; 5]);
    assert_eq!([400, 401, 404, 413, 422].map(is_transient), [false; 5]);
    let is_transient = |status| SendError::MailRefused(status).is_transient();
    assert_eq!([421, 451, 535, 550].map(is_transient), [true, true, false, false]);
    assert!(!SendError::TimedOut.is_transient());
}

#[tokio::test(start_paused = true)]
async fn one_time_limit_covers_all_attempts() {
    let transport = ScriptedTransport::with_outcomes([connection_refused(), Outcome::Never]);
    let start = Instant::now();
    let error = mail_sender(&transport).deliver(&message()).await.unwrap_err();
    assert_eq!(start.elapsed(), TIME_LIMIT);
    let DeliveryError::Failed(cause) = error else {
        panic!("{error:?}");
    };
    let cause = cause.downcast::<SendError>().unwrap();
    assert!(matches!(*cause, SendError::TimedOut), "{cause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_gets_a_message_once() {
    let transport = ScriptedTransport::with_outcomes([Outcome::Never]);
    mail_sender(&transport).deliver(&message()).await.unwrap_err();
    assert_eq!(transport.attempt_count(), 1);
}

const A_SECOND: Duration = Duration::from_secs(1);

/// Fills a route with attempts that never end, and advances the clock by a second. `next` is the outcome of the next
/// attempt.
async fn fill_for_a_second(next: Outcome) -> (Arc<ScriptedTransport>, Arc<CodeSender>) {
    let never = (0..MAX_IN_FLIGHT).map(|_| Outcome::Never);
    let transport = ScriptedTransport::with_outcomes(never.chain([next]));
    let sender = Arc::new(mail_sender(&transport));
    for _ in 0..MAX_IN_FLIGHT {
        let sender = sender.clone();
        tokio::spawn(async move { sender.deliver(&message()).await });
    }
    while transport.attempt_count() < MAX_IN_FLIGHT {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(A_SECOND).await;
    (transport, sender)
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_room_on_a_full_route() {
    let (transport, sender) = fill_for_a_second(Outcome::Accepted).await;
    let start = Instant::now();
    sender.deliver(&message()).await.unwrap();
    assert_eq!(start.elapsed() + A_SECOND, TIME_LIMIT);
    assert_eq!(transport.attempt_count(), MAX_IN_FLIGHT + 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_counts_towards_the_time_limit() {
    let (transport, sender) = fill_for_a_second(Outcome::Never).await;
    let start = Instant::now();
    sender.deliver(&message()).await.unwrap_err();
    assert_eq!(start.elapsed(), TIME_LIMIT);
    assert_eq!(transport.attempt_count(), MAX_IN_FLIGHT + 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_route_does_not_delay_the_other() {
    let (_, full) = fill_for_a_second(Outcome::Accepted).await;
    let text_message = ScriptedTransport::with_outcomes([Outcome::Accepted]);
    let sender = CodeSender {
        mail: full.mail.clone(),
        text_message: Route::new(text_message.clone()),
        ..mail_sender(&ScriptedTransport::with_outcomes([]))
    };
    let start = Instant::now();
    sender.deliver(&fixtures::message(fixtures::mobile())).await.unwrap();
    assert_eq!((start.elapsed(), text_message.attempt_count()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_continues_after_its_caller_is_gone() {
    let transport = ScriptedTransport::with_outcomes([connection_refused(), Outcome::Accepted]);
    let sender = mail_sender(&transport);
    let message = message();
    tokio::select! {
        biased;
        result = sender.deliver(&message) => panic!("{result:?}"),
        () = tokio::task::yield_now() => {}
    }
    transport.accepted.notified().await;
    assert_eq!(transport.attempt_count(), 2);
}

#[tokio::test]
async fn a_mobile_number_gets_a_text_message() {
    let (mail, text_message) = (
        ScriptedTransport::with_outcomes([]),
        ScriptedTransport::with_outcomes([Outcome::Accepted]),
    );
    let sender = CodeSender {
        text_message: Route::new(text_message.clone()),
        ..mail_sender(&mail)
    };
    sender.deliver(&fixtures::message(fixtures::mobile())).await.unwrap();
    assert_eq!((mail.attempt_count(), text_message.attempt_count()), (0, 1));
    assert!(
        text_message.attempts.lock().unwrap()[0]
            .1
            .starts_with("Use 483920 para")
    );
}

/// A transport that panics. It counts its attempts, to tell an attempt that panicked from a missing attempt.
struct Panicking(AtomicUsize);

#[async_trait]
impl Transport for Panicking {
    async fn send(&self, _: &RenderedMessage) -> Result<(), SendError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("an attempt that panics");
    }
}

#[tokio::test]
async fn a_panicking_attempt_is_an_error() {
    let transport = Arc::new(Panicking(AtomicUsize::new(0)));
    let sender = CodeSender {
        mail: Route::new(transport.clone()),
        ..mail_sender(&ScriptedTransport::with_outcomes([]))
    };
    let error = sender.deliver(&message()).await.unwrap_err();
    let DeliveryError::Failed(cause) = error else {
        panic!("{error:?}");
    };
    assert!(matches!(*cause.downcast().unwrap(), SendError::Aborted(_)));
    assert_eq!(transport.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn debug_output_is_the_name_only() {
    assert_eq!(
        format!("{:?}", mail_sender(&ScriptedTransport::with_outcomes([]))),
        "CodeSender { .. }"
    );
}
