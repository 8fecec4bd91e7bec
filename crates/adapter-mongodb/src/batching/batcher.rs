//! Batches requests of one kind.
//!
//! A driver call costs about the same for one document as for sixty (docs/adr/0011-batched-reads.md). The steps of one
//! request:
//!
//! 1. [`Batcher::submit`] takes a permit of the [`CallRunner`] for its caller and appends the request to the queue,
//!    with a channel for the reply.
//! 2. If fewer than [`MAX_IN_FLIGHT`] commands are in flight, the caller starts a [`BatchWorker`], a task on the
//!    client's runtime. So an idle store gets each request immediately, in a command of its own. Otherwise the request
//!    waits for a running worker.
//! 3. A worker takes up to [`MAX_BATCH_SIZE`] requests, oldest first, and sends one command for them. It drops requests
//!    whose callers have already left. Every command begins after its requests were submitted, so a batched request
//!    never gets an older state than a command of its own would return.
//! 4. The worker sends each caller its reply and repeats step 3 until the queue is empty. If a command fails, it fails
//!    for every caller of its batch. A command without a reply is dropped after [`CallRunner::hard_deadline`].
//! 5. The caller waits no longer than [`CallRunner::timeout`]. If its request was left to a running worker and has no
//!    reply after [`EXTRA_WORKER_AFTER`], the caller starts an extra worker.
//!
//! Scenario of step 5: A and B are in flight on connections that went silent. C waits in the queue. After 250 ms, C
//! starts a third worker, which sends C's request on another connection. A and B time out. This is not a hedged
//! request: no request is sent twice. If C's request is already in flight by then, the extra worker sends the requests
//! queued behind it. If there are none, it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use ports::StoreError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::call_runner::CallRunner;
use crate::error::{CallAbandoned, DriverError, MongodbError};

/// The maximum number of commands of one batcher in flight at the same time, not counting extra workers. With one, a
/// request would wait for a whole round trip before its own. With more, batches would be smaller.
const MAX_IN_FLIGHT: usize = 2;

/// The maximum number of requests in one command. A server returns up to 101 documents in the first reply to a query,
/// so 64 need no `getMore`.
const MAX_BATCH_SIZE: usize = 64;

/// The time after which a waiting caller starts an extra worker: far longer than a usual round trip, and a
/// tenth of the caller's timeout.
const EXTRA_WORKER_AFTER: Duration = Duration::from_millis(250);

struct PendingRequest<Q, A> {
    request: Q,
    reply: oneshot::Sender<Result<A, MongodbError>>,
}

struct Queue<Q, A> {
    in_flight: usize,
    waiting: Vec<PendingRequest<Q, A>>,
}

/// Sends one command for a batch, and returns one answer per request, in the order of the requests.
type Execute<Q, A> = dyn Fn(Vec<Q>) -> BoxFuture<'static, Result<Vec<A>, MongodbError>> + Send + Sync;

/// Batches requests of type `Q`. Each request gets a reply of type `A`.
pub(crate) struct Batcher<Q, A> {
    /// False: each request is sent alone, as a call of its own.
    is_on: bool,
    calls: Arc<CallRunner>,
    execute: Box<Execute<Q, A>>,
    abandoned_error: fn(DriverError) -> MongodbError,
    queue: Mutex<Queue<Q, A>>,
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// Creates a batcher. `abandoned_error` makes the error for a caller that gets no reply: [`MongodbError::Read`] for
    /// reads, [`MongodbError::Write`] (an unknown outcome) for writes.
    pub(super) fn new<F>(
        is_on: bool,
        calls: Arc<CallRunner>,
        abandoned_error: fn(DriverError) -> MongodbError,
        execute: impl Fn(Vec<Q>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<A>, MongodbError>> + Send + 'static,
    {
        Self {
            is_on,
            calls,
            execute: Box::new(move |batch| Box::pin(execute(batch))),
            abandoned_error,
            queue: Mutex::new(Queue {
                in_flight: 0,
                waiting: Vec::new(),
            }),
        }
    }

    /// Submits a request and returns its reply, from a command that begins after this call.
    pub(crate) async fn submit(self: &Arc<Self>, request: Q) -> Result<A, StoreError> {
        if !self.is_on {
            return Ok(self.execute_alone(request).await?);
        }
        let _permit = self.calls.acquire_permit()?;
        let (sender, mut reply) = oneshot::channel();
        let mut time_left = self.calls.timeout();
        let pending = PendingRequest { request, reply: sender };
        if self.queue().enqueue(pending) {
            self.spawn_worker();
        } else if let Ok(reply) = timeout(EXTRA_WORKER_AFTER.min(time_left), &mut reply).await {
            return self.unwrap_reply(reply);
        } else {
            time_left = time_left.saturating_sub(EXTRA_WORKER_AFTER);
            self.queue().in_flight += 1;
            self.spawn_worker();
        }
        match timeout(time_left, reply).await {
            Ok(reply) => self.unwrap_reply(reply),
            Err(_) => Err(self.abandon(CallAbandoned::TooLong).into()),
        }
    }

    async fn execute_alone(&self, request: Q) -> Result<A, MongodbError> {
        let call = (self.execute)(vec![request]);
        let answers = self.calls.run(call, self.abandoned_error).await?;
        let answer = answers.into_iter().next();
        answer.ok_or_else(|| self.abandon(CallAbandoned::Panicked))
    }

    /// Spawns a worker, which sends one command after another as long as requests wait. The caller must already have
    /// counted the worker in `in_flight`.
    fn spawn_worker(self: &Arc<Self>) {
        let batcher = self.clone();
        let mut worker = BatchWorker(Some(self.clone()));
        self.calls.track(async move {
            while let Some(batch) = worker.next_batch() {
                let (requests, replies): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .map(|PendingRequest { request, reply }| (request, reply))
                    .unzip();
                match timeout(batcher.calls.hard_deadline(), (batcher.execute)(requests)).await {
                    Ok(Ok(answers)) => {
                        for (reply, answer) in replies.into_iter().zip(answers) {
                            let _ = reply.send(Ok(answer));
                        }
                    }
                    Ok(Err(error)) => {
                        for reply in replies {
                            let _ = reply.send(Err(error.clone()));
                        }
                    }
                    // Every caller of the batch has already timed out.
                    Err(_) => {}
                }
            }
        });
    }

    fn unwrap_reply(&self, reply: Result<Result<A, MongodbError>, oneshot::error::RecvError>) -> Result<A, StoreError> {
        match reply {
            Ok(reply) => Ok(reply?),
            Err(_) => Err(self.abandon(CallAbandoned::Panicked).into()),
        }
    }
}

impl<Q, A> Batcher<Q, A> {
    fn queue(&self) -> MutexGuard<'_, Queue<Q, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abandon(&self, why: CallAbandoned) -> MongodbError {
        (self.abandoned_error)(DriverError::abandoned(why))
    }
}

impl<Q, A> Queue<Q, A> {
    /// Appends a request. Returns whether its caller must start a worker; if so, that worker is already counted in
    /// `in_flight`.
    fn enqueue(&mut self, pending: PendingRequest<Q, A>) -> bool {
        self.waiting.push(pending);
        let needs_worker = self.in_flight < MAX_IN_FLIGHT;
        self.in_flight += usize::from(needs_worker);
        needs_worker
    }
}

/// A worker that is counted in `in_flight`, until it finds the queue empty or its task is dropped or panics.
struct BatchWorker<Q, A>(Option<Arc<Batcher<Q, A>>>);

impl<Q, A> BatchWorker<Q, A> {
    /// Takes the next batch out of the queue. Returns `None` when no request waits, which ends the worker.
    ///
    /// The queue is checked and `in_flight` lowered under one lock. Scenario with two locks: worker A finds the queue
    /// empty. Caller B appends a request, reads that two workers are in flight and starts none. A ends, and no worker
    /// takes B's request until B starts an extra one.
    fn next_batch(&mut self) -> Option<Vec<PendingRequest<Q, A>>> {
        let batcher = self.0.take()?;
        // On busy cores, tasks that are about to submit a request run first and join the batch.
        thread::yield_now();
        let mut queue = batcher.queue();
        queue.waiting.retain(|pending| !pending.reply.is_closed());
        let count = queue.waiting.len().min(MAX_BATCH_SIZE);
        if count == 0 {
            queue.in_flight -= 1;
            return None;
        }
        let batch = queue.waiting.drain(..count).collect();
        drop(queue);
        self.0 = Some(batcher);
        Some(batch)
    }
}

impl<Q, A> Drop for BatchWorker<Q, A> {
    fn drop(&mut self) {
        if let Some(batcher) = &self.0 {
            batcher.queue().in_flight -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::slice;

    use tokio::sync::{Semaphore, mpsc};
    use tokio::task::{JoinSet, yield_now};
    use tokio::time::Instant;

    use super::*;
    use crate::connection::CALL_TIMEOUT;

    /// A store that records the ids of each batch and sends a reply per permit. It finds every document but `missing`.
    struct Store {
        batcher: Arc<Batcher<String, Option<String>>>,
        batches: mpsc::UnboundedReceiver<Vec<String>>,
        permits: Arc<Semaphore>,
    }

    impl Store {
        fn new(is_batching: bool) -> Self {
            let (sender, batches) = mpsc::unbounded_channel();
            let permits = Arc::new(Semaphore::new(0));
            let given = permits.clone();
            let read = move |ids: Vec<String>| {
                let (sender, permits) = (sender.clone(), given.clone());
                async move {
                    sender.send(ids.clone()).unwrap();
                    permits.acquire().await.unwrap().forget();
                    assert!(!ids.iter().any(|id| id == "panic"), "on purpose");
                    if ids.iter().any(|id| id == "fail") {
                        return Err(MongodbError::Read(DriverError::unreadable()));
                    }
                    Ok(ids.into_iter().map(|id| (id != "missing").then_some(id)).collect())
                }
            };
            Self {
                batcher: Arc::new(Batcher::new(is_batching, calls(), MongodbError::Read, read)),
                batches,
                permits,
            }
        }

        fn find(&self, id: &str) -> impl Future<Output = Result<Option<String>, StoreError>> + use<> {
            let (batcher, id) = (self.batcher.clone(), id.to_owned());
            async move { batcher.submit(id).await }
        }

        fn spawn(&self, tasks: &mut JoinSet<Option<String>>, id: &str) {
            let find = self.find(id);
            tasks.spawn(async move { find.await.unwrap() });
        }

        /// Starts as many commands as may be in flight, each with one request.
        async fn fill_workers(&mut self, tasks: &mut JoinSet<Option<String>>) {
            for n in 0..MAX_IN_FLIGHT {
                self.spawn(tasks, &n.to_string());
                assert_eq!(self.batches.recv().await.unwrap(), [n.to_string()]);
            }
        }
    }

    fn calls() -> Arc<CallRunner> {
        Arc::new(CallRunner::on_current_runtime(CALL_TIMEOUT))
    }

    #[tokio::test]
    async fn idle_store_gets_each_request_alone() {
        let mut store = Store::new(true);
        store.permits.add_permits(2);
        assert!(store.find("ada").await.unwrap().is_some());
        assert!(store.find("missing").await.unwrap().is_none());
        assert_eq!(store.batches.recv().await.unwrap(), ["ada"]);
        assert_eq!(store.batches.recv().await.unwrap(), ["missing"]);
    }

    #[tokio::test]
    async fn requests_to_a_busy_store_are_batched() {
        let mut store = Store::new(true);
        let mut tasks = JoinSet::new();
        store.fill_workers(&mut tasks).await;
        let later: Vec<_> = (0..=MAX_BATCH_SIZE).map(|n| format!("later-{n}")).collect();
        for id in &later {
            store.spawn(&mut tasks, id);
            yield_now().await;
        }
        assert!(store.batches.try_recv().is_err());
        store.permits.add_permits(1);
        assert_eq!(store.batches.recv().await.unwrap(), later[..MAX_BATCH_SIZE]);
        store.permits.add_permits(1);
        assert_eq!(store.batches.recv().await.unwrap(), later[MAX_BATCH_SIZE..]);
        store.permits.add_permits(MAX_IN_FLIGHT);
        let mut found: Vec<_> = tasks.join_all().await.into_iter().map(Option::unwrap).collect();
        found.sort_unstable();
        let mut all: Vec<_> = (0..MAX_IN_FLIGHT).map(|n| n.to_string()).chain(later).collect();
        all.sort_unstable();
        assert_eq!(found, all);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_commands_start_an_extra_worker() {
        let mut store = Store::new(true);
        let started = Instant::now();
        let mut stuck = JoinSet::new();
        for n in 0..MAX_IN_FLIGHT {
            stuck.spawn(store.find(&n.to_string()));
            store.batches.recv().await.unwrap();
        }
        let another = tokio::spawn(store.find("another"));
        assert_eq!(store.batches.recv().await.unwrap(), ["another"]);
        assert_eq!(started.elapsed(), EXTRA_WORKER_AFTER);
        for failed in stuck.join_all().await {
            assert!(matches!(failed, Err(StoreError::Unavailable(_))));
        }
        assert_eq!(started.elapsed(), CALL_TIMEOUT);
        assert!(matches!(another.await.unwrap(), Err(StoreError::Unavailable(_))));
        assert_eq!(started.elapsed(), CALL_TIMEOUT);
        store.batcher.calls.finish().await;
        assert_eq!(store.batcher.queue().in_flight, 0);
    }

    #[tokio::test]
    async fn abandoned_requests_are_not_sent() {
        let mut store = Store::new(true);
        let mut tasks = JoinSet::new();
        store.fill_workers(&mut tasks).await;
        let abandoned = tokio::spawn(store.find("abandoned"));
        yield_now().await;
        store.spawn(&mut tasks, "patient");
        yield_now().await;
        abandoned.abort();
        let _ = abandoned.await;
        store.permits.add_permits(MAX_IN_FLIGHT + 1);
        assert_eq!(store.batches.recv().await.unwrap(), ["patient"]);
        assert!(tasks.join_all().await.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn failed_command_fails_its_batch_and_no_later_one() {
        let mut store = Store::new(true);
        for faulty in ["fail", "panic"] {
            let mut tasks = JoinSet::new();
            store.fill_workers(&mut tasks).await;
            let mut batch = JoinSet::new();
            for id in [faulty, "ada"] {
                batch.spawn(store.find(id));
                yield_now().await;
            }
            store.permits.add_permits(MAX_IN_FLIGHT + 1);
            for failed in batch.join_all().await {
                assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{faulty}");
            }
            assert_eq!(store.batches.recv().await.unwrap(), [faulty, "ada"]);
            tasks.join_all().await;
        }
        store.permits.add_permits(1);
        assert!(store.find("ada").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn requests_without_batching_are_sent_alone_at_once() {
        let mut store = Store::new(false);
        let mut tasks = JoinSet::new();
        let ids: Vec<_> = (0..=MAX_IN_FLIGHT).map(|n| n.to_string()).collect();
        for id in &ids {
            store.spawn(&mut tasks, id);
            assert_eq!(store.batches.recv().await.unwrap(), slice::from_ref(id));
        }
        store.permits.add_permits(ids.len());
        assert!(tasks.join_all().await.iter().all(Option::is_some));
        store.permits.add_permits(2);
        for faulty in ["fail", "panic"] {
            let failed = store.find(faulty).await;
            assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{faulty}");
        }
    }

    #[tokio::test]
    async fn finished_runner_rejects_requests() {
        for is_on in [true, false] {
            let batcher = Arc::new(Batcher::<(), ()>::new(is_on, calls(), MongodbError::Read, |_| {
                pending()
            }));
            batcher.calls.finish().await;
            let rejected = batcher.submit(()).await;
            assert!(matches!(rejected, Err(StoreError::Unavailable(_))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn write_without_reply_has_unknown_outcome() {
        for is_on in [true, false] {
            let silent = Batcher::<(), ()>::new(is_on, calls(), MongodbError::Write, |_| pending());
            let panic = |_| async { panic!("on purpose") };
            let panicking = Batcher::<(), ()>::new(is_on, calls(), MongodbError::Write, panic);
            for batcher in [silent, panicking] {
                let written = Arc::new(batcher).submit(()).await;
                assert!(matches!(written, Err(StoreError::OutcomeUnknown(_))));
            }
        }
    }
}
