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

const WITHIN: Duration = Duration::from_secs(8);

/// What a try ends with.
enum End {
    Taken,
    Failed(SendError),
    Never,
}

/// Tries that end as they are told, and that are remembered.
#[derive(Default)]
struct Scripted {
    ends: Mutex<VecDeque<End>>,
    seen: Mutex<Vec<(String, String)>>,
    taken: Notify,
}

impl Scripted {
    fn ending(ends: impl IntoIterator<Item = End>) -> Arc<Self> {
        Arc::new(Self {
            ends: Mutex::new(ends.into_iter().collect()),
            ..Self::default()
        })
    }

    fn tries(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, letter: &RenderedMessage) -> Result<(), SendError> {
        let message = &letter.message;
        let seen = (message.challenge.as_str().to_owned(), letter.text.clone());
        self.seen.lock().unwrap().push(seen);
        let end = self.ends.lock().unwrap().pop_front().expect("no further try");
        match end {
            End::Taken => {
                self.taken.notify_one();
                Ok(())
            }
            End::Failed(failure) => Err(failure),
            End::Never => pending().await,
        }
    }
}

fn away() -> End {
    End::Failed(SendError::MailServerAway(io::ErrorKind::ConnectionRefused.into()))
}

fn by_mail(carrier: &Arc<Scripted>) -> CodeSender {
    CodeSender {
        templates: MessageTemplates::open(&TextsSettings::default()).unwrap(),
        mail: Route::new(carrier.clone()),
        text_message: Route::new(Scripted::ending([])),
        within: WITHIN,
        runtime: Handle::current(),
    }
}

fn message() -> CodeMessage {
    fixtures::message(fixtures::email("ana@example.com"))
}

#[tokio::test(start_paused = true)]
async fn a_failed_try_is_repeated_with_the_same_code() {
    let carrier = Scripted::ending([away(), End::Failed(SendError::MailRefused(451)), End::Taken]);
    by_mail(&carrier).deliver(&message()).await.unwrap();
    let seen = carrier.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|one| *one == seen[0]) && seen[0].1.contains("483920"));
}

#[tokio::test(start_paused = true)]
async fn the_third_failed_try_is_the_last() {
    let carrier = Scripted::ending([away(), away(), away()]);
    let begun = Instant::now();
    by_mail(&carrier).deliver(&message()).await.unwrap_err();
    assert_eq!(carrier.tries(), 3);
    let pauses = begun.elapsed();
    assert!(
        (Duration::from_millis(600)..Duration::from_millis(1_300)).contains(&pauses),
        "{pauses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_will_fail_again_is_not_repeated() {
    for failure in [
        SendError::MailRefused(550),
        SendError::GatewayRefused(400),
        SendError::NoMailAddress,
    ] {
        let carrier = Scripted::ending([End::Failed(failure)]);
        by_mail(&carrier).deliver(&message()).await.unwrap_err();
        assert_eq!(carrier.tries(), 1);
    }
}

#[test]
fn an_answer_of_overload_may_pass_and_a_refusal_does_not() {
    let passing = |status| SendError::GatewayRefused(status).is_transient();
    assert_eq!([408, 429, 500, 503, 302].map(passing), [true; 5]);
    assert_eq!([400, 401, 404, 413, 422].map(passing), [false; 5]);
    let passing = |status| SendError::MailRefused(status).is_transient();
    assert_eq!([421, 451, 535, 550].map(passing), [true, true, false, false]);
    assert!(!SendError::TooLate.is_transient());
}

#[tokio::test(start_paused = true)]
async fn all_tries_together_have_one_time_limit() {
    let carrier = Scripted::ending([away(), End::Never]);
    let begun = Instant::now();
    let failure = by_mail(&carrier).deliver(&message()).await.unwrap_err();
    assert_eq!(begun.elapsed(), WITHIN);
    let cause = failure.0.downcast::<SendError>().unwrap();
    assert!(matches!(*cause, SendError::TooLate), "{cause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_is_sent_a_message_once() {
    let carrier = Scripted::ending([End::Never]);
    by_mail(&carrier).deliver(&message()).await.unwrap_err();
    assert_eq!(carrier.tries(), 1);
}

const A_SECOND: Duration = Duration::from_secs(1);

/// A second after the most there may be at once began tries that never end; `next` is what the next try ends with.
async fn full_for_a_second(next: End) -> (Arc<Scripted>, Arc<CodeSender>) {
    let never = (0..MAX_IN_FLIGHT).map(|_| End::Never);
    let carrier = Scripted::ending(never.chain([next]));
    let deliveries = Arc::new(by_mail(&carrier));
    for _ in 0..MAX_IN_FLIGHT {
        let deliveries = deliveries.clone();
        tokio::spawn(async move { deliveries.deliver(&message()).await });
    }
    while carrier.tries() < MAX_IN_FLIGHT {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(A_SECOND).await;
    (carrier, deliveries)
}

#[tokio::test(start_paused = true)]
async fn one_message_more_than_fit_on_a_route_waits_for_its_turn() {
    let (carrier, deliveries) = full_for_a_second(End::Taken).await;
    let begun = Instant::now();
    deliveries.deliver(&message()).await.unwrap();
    assert_eq!(begun.elapsed() + A_SECOND, WITHIN);
    assert_eq!(carrier.tries(), MAX_IN_FLIGHT + 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_is_part_of_the_time_limit() {
    let (carrier, deliveries) = full_for_a_second(End::Never).await;
    let begun = Instant::now();
    deliveries.deliver(&message()).await.unwrap_err();
    assert_eq!(begun.elapsed(), WITHIN);
    assert_eq!(carrier.tries(), MAX_IN_FLIGHT + 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_route_does_not_hold_up_the_other() {
    let (_, full) = full_for_a_second(End::Taken).await;
    let text_message = Scripted::ending([End::Taken]);
    let deliveries = CodeSender {
        mail: full.mail.clone(),
        text_message: Route::new(text_message.clone()),
        ..by_mail(&Scripted::ending([]))
    };
    let begun = Instant::now();
    deliveries
        .deliver(&fixtures::message(fixtures::mobile()))
        .await
        .unwrap();
    assert_eq!((begun.elapsed(), text_message.tries()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_on_when_nobody_waits_for_it_any_more() {
    let carrier = Scripted::ending([away(), End::Taken]);
    let deliveries = by_mail(&carrier);
    let message = message();
    tokio::select! {
        biased;
        ended = deliveries.deliver(&message) => panic!("{ended:?}"),
        () = tokio::task::yield_now() => {}
    }
    carrier.taken.notified().await;
    assert_eq!(carrier.tries(), 2);
}

#[tokio::test]
async fn a_number_is_sent_a_text_message() {
    let (mail, text_message) = (Scripted::ending([]), Scripted::ending([End::Taken]));
    let deliveries = CodeSender {
        text_message: Route::new(text_message.clone()),
        ..by_mail(&mail)
    };
    deliveries
        .deliver(&fixtures::message(fixtures::mobile()))
        .await
        .unwrap();
    assert_eq!((mail.tries(), text_message.tries()), (0, 1));
    assert!(text_message.seen.lock().unwrap()[0].1.starts_with("Use 483920 para"));
}

/// Counts, so that a try that panics is told from one that never began.
struct Panicking(AtomicUsize);

#[async_trait]
impl Transport for Panicking {
    async fn send(&self, _: &RenderedMessage) -> Result<(), SendError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a try that panics");
    }
}

#[tokio::test]
async fn a_try_that_panics_is_a_failure() {
    let carrier = Arc::new(Panicking(AtomicUsize::new(0)));
    let deliveries = CodeSender {
        mail: Route::new(carrier.clone()),
        ..by_mail(&Scripted::ending([]))
    };
    let failure = deliveries.deliver(&message()).await.unwrap_err();
    assert!(matches!(*failure.0.downcast().unwrap(), SendError::BrokenOff(_)));
    assert_eq!(carrier.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn deliveries_print_no_more_than_their_name() {
    assert_eq!(format!("{:?}", by_mail(&Scripted::ending([]))), "Deliveries { .. }");
}
