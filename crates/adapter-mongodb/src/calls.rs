use std::sync::Arc;
use std::time::Duration;

use ports::StoreFailure;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::fault::Fault;

/// A call is waited for so long; a request makes several, and is answered within three seconds by its own deadline.
pub(crate) const LONGEST_CALL: Duration = Duration::from_millis(2_500);

/// A call that nobody waits for any more is broken off after this, and its connection closed. One that never gets an answer
/// would keep its connection for good, and sooner or later no other would be left; and what nobody waits for is not to
/// happen much later. It leaves a second of the five within which a store that is back must be used again (04-promises,
/// C8).
const AFTERLIFE: Duration = Duration::from_millis(1_500);

/// Calls that may be under way at the same time, those nobody waits for any more included.
const MOST_CALLS: usize = 2_048;

/// Why nobody waits for a call any more, or why it was not made.
#[derive(Debug, thiserror::Error)]
enum GivenUp {
    #[error("the call took too long")]
    TooLong,
    #[error("the call panicked")]
    Panicked,
    #[error("too many calls are under way")]
    TooMany,
}

/// Runs driver calls to their end, on the runtime of the client (06-crates, traps 3 and 14): who waits may give up or be
/// dropped, the call goes on. Only one that has no answer long after that is broken off.
pub(crate) struct Calls {
    runtime: Handle,
    running: TaskTracker,
    permits: Arc<Semaphore>,
    patience: Duration,
}

impl Calls {
    /// On the runtime that this is called on. A call is waited for as long as `patience` says.
    pub(crate) fn here(patience: Duration) -> Self {
        Self {
            patience,
            runtime: Handle::current(),
            running: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(MOST_CALLS)),
        }
    }

    /// A call that writes nothing.
    pub(crate) async fn read<T, F>(&self, call: F) -> Result<T, StoreFailure>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        self.run(call, |given_up| StoreFailure::Unavailable(Box::new(given_up)))
            .await
    }

    /// A call that may write: given up, its outcome is not known.
    pub(crate) async fn write<T, F>(&self, call: F) -> Result<T, StoreFailure>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        self.run(call, |given_up| StoreFailure::OutcomeUnknown(Box::new(given_up)))
            .await
    }

    async fn run<T, F>(&self, call: F, given_up: impl FnOnce(GivenUp) -> StoreFailure) -> Result<T, StoreFailure>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return Err(StoreFailure::Unavailable(Box::new(GivenUp::TooMany)));
        };
        let longest_life = self.patience + AFTERLIFE;
        let task = self.running.spawn_on(
            async move {
                let _permit = permit;
                timeout(longest_life, call).await
            },
            &self.runtime,
        );
        match timeout(self.patience, task).await {
            Ok(Ok(Ok(answer))) => answer.map_err(StoreFailure::from),
            Ok(Err(_)) => Err(given_up(GivenUp::Panicked)),
            Ok(Ok(Err(_))) | Err(_) => Err(given_up(GivenUp::TooLong)),
        }
    }

    /// Refuses new calls and waits for those in flight.
    pub(crate) async fn finish(&self) {
        self.permits.close();
        self.running.close();
        self.running.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_call_goes_on_when_nobody_waits_for_it_any_more() {
        let calls = Calls::here(LONGEST_CALL);
        let (go_on, wait) = oneshot::channel::<()>();
        let ended = Arc::new(AtomicBool::new(false));
        let call = {
            let ended = ended.clone();
            async move {
                let _ = wait.await;
                ended.store(true, Ordering::Relaxed);
                Ok(())
            }
        };
        {
            let mut waiting = Box::pin(calls.write(call));
            assert!(futures_poll_once(&mut waiting).await.is_none());
        }
        assert!(!ended.load(Ordering::Relaxed));
        go_on.send(()).unwrap();
        calls.finish().await;
        assert!(ended.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_is_broken_off() {
        let calls = Calls::here(LONGEST_CALL);
        let begun = Instant::now();
        let answer: Result<(), _> = calls.write(pending()).await;
        assert!(matches!(answer, Err(StoreFailure::OutcomeUnknown(_))));
        assert_eq!(begun.elapsed(), LONGEST_CALL);
        calls.finish().await;
        assert_eq!(begun.elapsed(), LONGEST_CALL + AFTERLIFE);
    }

    #[tokio::test]
    async fn a_finished_store_refuses_calls() {
        let calls = Calls::here(LONGEST_CALL);
        calls.finish().await;
        let refused = calls.read(async { Ok(()) }).await;
        assert!(matches!(refused, Err(StoreFailure::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_write_that_panics_has_an_unknown_outcome() {
        let calls = Calls::here(LONGEST_CALL);
        let panicked: Result<(), _> = calls.write(async { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(StoreFailure::OutcomeUnknown(_))));
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        use std::task::Poll;
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}
