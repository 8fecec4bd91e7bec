//! Runs callers concurrently, and waits without sleeping.
//!
//! A race contract starts [`CALLERS`] tasks together and counts their outcomes: exactly one winner, and the loser's
//! outcome for all others.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Barrier;

/// The number of callers in a race: four for each worker thread of a contract's test ([`WORKERS`](crate::WORKERS)).
pub(crate) const CALLERS: usize = 16;

/// A future of a port that waits for an event.
pub(crate) type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Runs `call` in [`CALLERS`] tasks that start together, and returns their results in the order of the caller numbers.
pub(crate) async fn run_concurrently<F, T>(call: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(CALLERS));
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let barrier = Arc::clone(&barrier);
            let answer = call(caller);
            tokio::spawn(async move {
                barrier.wait().await;
                answer.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(CALLERS);
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Counts the results that equal `answer`.
pub(crate) fn count<T: PartialEq>(answers: &[T], answer: &T) -> usize {
    answers.iter().filter(|each| *each == answer).count()
}

/// Returns the only element. Panics if there is none or more than one.
pub(crate) fn only<T>(elements: impl IntoIterator<Item = T>) -> T {
    let mut elements = elements.into_iter();
    let first = elements.next().expect("there is one element");
    assert!(elements.next().is_none(), "there are several elements");
    first
}

/// Awaits a future that must complete by itself. The timeout of 30 s is not an expectation: it ends a test that would
/// otherwise hang.
pub(crate) async fn within_timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("the future completes")
}

/// Returns a future that was polled once and is pending. A port may complete early, so up to 100 futures are tried.
pub(crate) async fn start_waiting<'a>(wait: impl Fn() -> Waiting<'a>) -> Waiting<'a> {
    for _ in 0..100 {
        let mut waiting = wait();
        let polled = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        if polled.is_pending() {
            return waiting;
        }
    }
    panic!("no future is pending: 100 of them completed on their first poll")
}
