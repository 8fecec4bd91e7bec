//! Runs driver calls as tasks that outlive their callers.
//!
//! A future of the driver that is dropped in the middle of a command costs its connection: the driver closes it,
//! because a late reply would be read as that of the next command. When many requests time out at once, the pool would
//! be emptied just when the store recovers. So a call is a task, and only its caller stops waiting. Scenario: a client
//! hangs up while its write is on the network. The request future is dropped, the task goes on, the write lands or
//! fails by its own condition, and the connection returns to the pool.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::error::{DriverError, MongodbError};

/// The time that a caller waits for one driver call, unless the settings say otherwise. A request, which may make
/// several, is cut off after 2.8 s by its own deadline, and a client has its answer within 3 s. The `wtimeout` of a
/// write is as long.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The time that a call goes on after its caller stopped waiting; then the task is aborted and its connection closed. A
/// call that never gets a reply would keep its connection forever and in the end exhaust the pool, and a write should
/// not land much later than its caller was answered. With [`CALL_TIMEOUT`] it makes 4 s, which leaves one of the 5 s
/// within which a store that is back must be in use again (C8 in docs/promises.md).
const DETACHED_GRACE: Duration = Duration::from_millis(1_500);

/// Calls in flight at most, those included whose callers stopped waiting; the next fails at once. Of a batch, each
/// caller that waits counts as one call. The limit bounds memory while the store is away.
const MAX_CALLS: usize = 2_048;

/// The reason why a call has no reply, or was not made.
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
            Self::TooMany => "too many calls are in flight",
        }
    }
}

/// Runs driver calls on the runtime that the client was made on, because the driver's connections and monitors belong
/// to it. A call goes on when its caller stops waiting or is dropped, until [`hard_deadline`](Self::hard_deadline).
pub(crate) struct CallRunner {
    runtime: Handle,
    running: TaskTracker,
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl CallRunner {
    /// Makes a runner on the current runtime. Callers wait for a call for `timeout` at most.
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

    async fn run<T, F>(&self, call: F, abandoned_error: fn(DriverError) -> MongodbError) -> Result<T, MongodbError>
    where
        F: Future<Output = Result<T, MongodbError>> + Send + 'static,
        T: Send + 'static,
    {
        let permit = self.permit()?;
        let hard_deadline = self.hard_deadline();
        // Boxed first: the future of a driver call is large and would be copied at every step on its way into the task.
        let call = Box::pin(call);
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

    /// Returns how long a call may take in all before it is aborted.
    pub(crate) fn hard_deadline(&self) -> Duration {
        self.timeout + DETACHED_GRACE
    }

    /// Takes one of the permits, which the call holds while it is in flight. Fails without waiting when none is left or
    /// the runner has finished.
    pub(crate) fn permit(&self) -> Result<OwnedSemaphorePermit, MongodbError> {
        let permit = self.permits.clone().try_acquire_owned();
        permit.map_err(|_| MongodbError::Read(DriverError::abandoned(CallAbandoned::TooMany)))
    }

    /// Spawns a task on the runtime of the client, which [`finish`](Self::finish) waits for.
    pub(crate) fn track<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.running.spawn_on(task, &self.runtime)
    }

    /// Rejects new calls and waits for those in flight, at most until their hard deadline.
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
