//! Runs driver calls as tasks that outlive their callers.
//!
//! When a future of the driver is dropped in the middle of a command, the driver closes the connection, because a late
//! reply would be read as the reply to the next command. If many requests timed out at the same time, the pool would be
//! empty just when the store recovers. So each call is a task, and a caller that stops waiting does not drop it.
//! Scenario: a client hangs up while its write is in flight. The request future is dropped, but the task continues. The
//! write succeeds or fails by its own condition, and the connection returns to the pool.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::error::{CallAbandoned, DriverError, MongodbError};

/// The time for which a call continues after its caller stopped waiting. Then the task is aborted and its connection
/// closed. Without a limit, calls that never get a reply would keep their connections and in the end exhaust the pool.
/// A write should also not take effect much later than its caller was answered. Together with the 2.5 s of
/// the caller this is 4 s. That leaves 1 s of the 5 s within which a recovered store must be in use again (C8 in docs/promises.md).
const DETACHED_GRACE: Duration = Duration::from_millis(1_500);

/// The maximum number of calls in flight, including calls whose callers have stopped waiting. One more call fails
/// immediately. In a batch, each waiting caller counts as one call. The limit bounds memory while the store is
/// unreachable.
const MAX_CALLS: usize = 2_048;

/// Runs driver calls on the runtime on which the client was created, because the driver's connections and monitors
/// belong to that runtime. When its caller stops waiting or is dropped, a call continues until
/// [`hard_deadline`](Self::hard_deadline).
pub(crate) struct CallRunner {
    runtime: Handle,
    running: TaskTracker,
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl CallRunner {
    /// Creates a runner on the current runtime. Callers wait up to `timeout` for a call.
    pub(crate) fn on_current_runtime(timeout: Duration) -> Self {
        Self {
            timeout,
            runtime: Handle::current(),
            running: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(MAX_CALLS)),
        }
    }

    /// Runs a call that writes nothing. Without a reply it fails with [`MongodbError::Read`].
    pub(crate) async fn read<T, F>(&self, call: F) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        self.run(call, MongodbError::Read).await
    }

    /// Runs a call that may write. Without a reply it fails with [`MongodbError::Write`], an unknown outcome.
    pub(crate) async fn write<T, F>(&self, call: F) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        self.run(call, MongodbError::Write).await
    }

    /// Runs a call. Without a reply it fails with `abandoned_error`.
    pub(crate) async fn run<T, F>(
        &self,
        call: F,
        abandoned_error: fn(DriverError) -> MongodbError,
    ) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let permit = self.acquire_permit()?;
        let hard_deadline = self.hard_deadline();
        // Boxed first: the future of a driver call is large and would be copied at every step on its way into the task.
        let call = Box::pin(call.in_current_span());
        let task = self.track(async move {
            let _permit = permit;
            timeout(hard_deadline, call).await
        });
        match timeout(self.timeout, task).await {
            Ok(Ok(Ok(reply))) => reply,
            Ok(Err(_)) => Err(abandoned_error(DriverError::abandoned(CallAbandoned::Panicked))),
            Ok(Ok(Err(_))) | Err(_) => Err(abandoned_error(DriverError::abandoned(CallAbandoned::TooLong))),
        }
    }

    /// Returns how long a caller waits for a call.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns how long a call may take in total before it is aborted.
    pub(crate) fn hard_deadline(&self) -> Duration {
        self.timeout + DETACHED_GRACE
    }

    /// Acquires the permit that a call holds while it is in flight. Fails without waiting when none is left or the
    /// runner has finished.
    pub(crate) fn acquire_permit(&self) -> Result<OwnedSemaphorePermit, MongodbError> {
        let permit = self.permits.clone().try_acquire_owned();
        permit.map_err(|_| MongodbError::Read(DriverError::abandoned(CallAbandoned::TooMany)))
    }

    /// Spawns a task on the client's runtime. [`finish`](Self::finish) waits for the task.
    pub(crate) fn track<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.running.spawn_on(task, &self.runtime)
    }

    /// Rejects new calls and waits for the calls in flight, each of which ends by its hard deadline.
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
    use crate::connection::CALL_TIMEOUT;

    #[tokio::test]
    async fn call_outlives_its_caller() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        let (resume, resumed) = oneshot::channel::<()>();
        let has_ended = Arc::new(AtomicBool::new(false));
        let call = {
            let has_ended = has_ended.clone();
            async move {
                let _ = resumed.await;
                has_ended.store(true, Ordering::Relaxed);
                Ok(())
            }
        };
        {
            let mut waiting = Box::pin(calls.write(call));
            assert!(poll_once(&mut waiting).await.is_none());
        }
        assert!(!has_ended.load(Ordering::Relaxed));
        resume.send(()).unwrap();
        calls.finish().await;
        assert!(has_ended.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn call_without_reply_is_aborted() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        let started = Instant::now();
        let reply: Result<(), _> = calls.write(pending()).await;
        assert!(matches!(reply, Err(MongodbError::Write(_))));
        assert_eq!(started.elapsed(), CALL_TIMEOUT);
        calls.finish().await;
        assert_eq!(started.elapsed(), CALL_TIMEOUT + DETACHED_GRACE);
    }

    #[tokio::test]
    async fn finished_runner_rejects_calls() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        calls.finish().await;
        let rejected = calls.read(async { Ok(()) }).await;
        assert!(matches!(rejected, Err(MongodbError::Read(_))));
    }

    #[tokio::test]
    async fn panicked_write_has_unknown_outcome() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        let panicked: Result<(), _> = calls.write(async { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(MongodbError::Write(_))));
    }

    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        use std::task::Poll;
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}
