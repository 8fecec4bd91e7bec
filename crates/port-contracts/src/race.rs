//! Callers that meet, and waiting without a clock.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Barrier;

/// How many callers meet in a race.
pub(crate) const CALLERS: usize = 16;

/// Something that a port waits for.
pub(crate) type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What `call` answers to each of [`CALLERS`] tasks that begin together, in the order of their numbers.
pub(crate) async fn at_once<F, T>(call: impl Fn(usize) -> F) -> Vec<T>
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

/// How many of `answers` are `answer`.
pub(crate) fn count<T: PartialEq>(answers: &[T], answer: &T) -> usize {
    answers.iter().filter(|each| *each == answer).count()
}

/// The one element there is.
pub(crate) fn only<T>(elements: impl IntoIterator<Item = T>) -> T {
    let mut elements = elements.into_iter();
    let first = elements.next().expect("there is none");
    assert!(elements.next().is_none(), "there are several");
    first
}

/// What must come about on its own; the time is a guard against waiting for ever.
pub(crate) async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), awaited)
        .await
        .expect("nothing woke the waiting")
}

/// A future that waits, polled and certainly pending. It may answer without need a few times, but not for ever.
pub(crate) async fn begin_waiting<'a>(wait: impl Fn() -> Waiting<'a>) -> Waiting<'a> {
    for _ in 0..100 {
        let mut waiting = wait();
        let polled = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        if polled.is_pending() {
            return waiting;
        }
    }
    panic!("it never waits")
}
