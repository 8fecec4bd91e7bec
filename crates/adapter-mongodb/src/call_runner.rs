use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::error::{DriverError, MongodbError};

/// A call is waited for so long; a request makes several, and is answered within three seconds by its own deadline.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(2_500);

/// A call that nobody waits for any more is broken off after this, and its connection closed. One that never gets an answer
/// would keep its connection for good, and sooner or later no other would be left; and what nobody waits for is not to
/// happen much later. It leaves a second of the five within which a store that is back must be used again (04-promises,
/// C8).
const DETACHED_GRACE: Duration = Duration::from_millis(1_500);

/// Calls that may be under way at the same time, those nobody waits for any more included. Of calls that are made together,
/// who waits for them counts.
const MAX_CALLS: usize = 2_048;

/// Why nobody waits for a call any more, or why it was not made.
#[derive(Clone, Copy)]
pub(crate) enum CallAbandoned {
    TooLong,
    Panicked,
    TooMany,
}

impl CallAbandoned {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "the call took too long",
            Self::Panicked => "the call panicked",
            Self::TooMany => "too many calls are under way",
        }
    }
}

/// Runs driver calls to their end, on the runtime of the client (06-crates, traps 3 and 14): who waits may give up or be
/// dropped, the call goes on. Only one that has no answer long after that is broken off.
pub(crate) struct CallRunner {
    runtime: Handle,
    running: TaskTracker,
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl CallRunner {
    /// On the runtime that this is called on. A call is waited for as long as `patience` says.
    pub(crate) fn on_current_runtime(patience: Duration) -> Self {
        Self {
            timeout: patience,
            runtime: Handle::current(),
            running: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(MAX_CALLS)),
        }
    }

    /// A call that writes nothing.
    pub(crate) async fn read<T, F>(&self, call: F) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        self.run(call, MongodbError::Read).await
    }

    /// A call that may write: given up, its outcome is not known.
    pub(crate) async fn write<T, F>(&self, call: F) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        self.run(call, MongodbError::Write).await
    }

    async fn run<T, F>(&self, call: F, fault: fn(DriverError) -> MongodbError) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let permit = self.permit()?;
        let longest_life = self.hard_deadline();
        // Boxed at once: a call of the driver is large, and would be copied at every step on its way into the task.
        let call = Box::pin(call);
        let task = self.track(async move {
            let _permit = permit;
            timeout(longest_life, call).await
        });
        match timeout(self.timeout, task).await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Err(_)) => Err(fault(DriverError::abandoned(CallAbandoned::Panicked))),
            Ok(Ok(Err(_))) | Err(_) => Err(fault(DriverError::abandoned(CallAbandoned::TooLong))),
        }
    }

    /// How long a call is waited for.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// After this a call is broken off.
    pub(crate) fn hard_deadline(&self) -> Duration {
        self.timeout + DETACHED_GRACE
    }

    /// Held by who makes a call, for as long as it is under way.
    pub(crate) fn permit(&self) -> Result<OwnedSemaphorePermit, MongodbError> {
        let permit = self.permits.clone().try_acquire_owned();
        permit.map_err(|_| MongodbError::Read(DriverError::abandoned(CallAbandoned::TooMany)))
    }

    /// Runs on the runtime of the client, whoever waits for it or not.
    pub(crate) fn track<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.running.spawn_on(task, &self.runtime)
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
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
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
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        let begun = Instant::now();
        let answer: Result<(), _> = calls.write(pending()).await;
        assert!(matches!(answer, Err(MongodbError::Write(_))));
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        calls.finish().await;
        assert_eq!(begun.elapsed(), CALL_TIMEOUT + DETACHED_GRACE);
    }

    #[tokio::test]
    async fn a_finished_store_refuses_calls() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        calls.finish().await;
        let refused = calls.read(async { Ok(()) }).await;
        assert!(matches!(refused, Err(MongodbError::Read(_))));
    }

    #[tokio::test]
    async fn a_write_that_panics_has_an_unknown_outcome() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        let panicked: Result<(), _> = calls.write(async { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(MongodbError::Write(_))));
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
