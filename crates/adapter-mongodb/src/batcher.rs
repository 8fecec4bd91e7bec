//! Calls of one kind that wait at the same time are made together.
//!
//! A call of the driver costs about the same whether it is for one document or for sixty. While few calls are under way
//! each is made at once; when the store is busy, those that come meanwhile go together with the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ports::StoreError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::call_runner::{CallAbandoned, CallRunner};
use crate::error::{DriverError, MongodbError};

/// Calls of one kind that are under way at the same time, ordinarily.
const MAX_IN_FLIGHT: usize = 2;

/// How many are made together at most: a server's first answer to a query holds more documents.
const MAX_BATCH_SIZE: usize = 64;

/// Who waited so long has another call begun: those under way may never be answered.
const HEDGE_AFTER: Duration = Duration::from_millis(250);

struct PendingRequest<Q, A> {
    request: Q,
    reply: oneshot::Sender<Result<A, MongodbError>>,
}

struct Queue<Q, A> {
    in_flight: usize,
    waiting: Vec<PendingRequest<Q, A>>,
}

/// The calls of one kind: each asks a `Q` and is answered an `A`.
pub(crate) struct Batcher<Q, A> {
    /// What a call that was given up came to.
    abandoned_error: fn(DriverError) -> MongodbError,
    queue: Mutex<Queue<Q, A>>,
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// Calls that write nothing.
    pub(crate) fn reads() -> Self {
        Self::new(MongodbError::Read)
    }

    /// Calls that may write: given up, their outcome is not known.
    pub(crate) fn writes() -> Self {
        Self::new(MongodbError::Write)
    }

    fn new(given_up: fn(DriverError) -> MongodbError) -> Self {
        let queue = Queue {
            in_flight: 0,
            waiting: Vec::new(),
        };
        Self {
            abandoned_error: given_up,
            queue: Mutex::new(queue),
        }
    }

    /// The answer of a call that begins after this was called. `make` answers all it is given, in their order.
    pub(crate) async fn submit<M, F>(
        self: &Arc<Self>,
        question: Q,
        calls: &CallRunner,
        make: M,
    ) -> Result<A, StoreError>
    where
        M: Fn(Vec<Q>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<A>, MongodbError>> + Send,
    {
        let _permit = calls.permit()?;
        let (sender, mut answer) = oneshot::channel();
        let mut patience = calls.timeout();
        let waiting = PendingRequest {
            request: question,
            reply: sender,
        };
        if self.queue().enqueue(waiting) {
            self.spawn_worker(calls, make);
        } else if let Ok(answer) = timeout(HEDGE_AFTER.min(patience), &mut answer).await {
            return self.unwrap_reply(answer);
        } else {
            patience = patience.saturating_sub(HEDGE_AFTER);
            self.queue().in_flight += 1;
            self.spawn_worker(calls, make);
        }
        match timeout(patience, answer).await {
            Ok(answer) => self.unwrap_reply(answer),
            Err(_) => Err((self.abandoned_error)(DriverError::abandoned(CallAbandoned::TooLong)).into()),
        }
    }

    /// One call after the other, as long as somebody waits.
    fn spawn_worker<M, F>(self: &Arc<Self>, calls: &CallRunner, make: M)
    where
        M: Fn(Vec<Q>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<A>, MongodbError>> + Send,
    {
        let mut turn = BatchWorker(Some(self.clone()));
        let longest_life = calls.hard_deadline();
        calls.track(Box::pin(async move {
            while let Some(together) = turn.next_batch() {
                let (questions, waiting): (Vec<_>, Vec<_>) = together
                    .into_iter()
                    .map(
                        |PendingRequest {
                             request: question,
                             reply: answer,
                         }| (question, answer),
                    )
                    .unzip();
                // Nobody waits any more for what was never answered.
                match timeout(longest_life, make(questions)).await {
                    Ok(Ok(answers)) => {
                        for (waiting, answer) in waiting.into_iter().zip(answers) {
                            let _ = waiting.send(Ok(answer));
                        }
                    }
                    Ok(Err(fault)) => {
                        for waiting in waiting {
                            let _ = waiting.send(Err(fault.clone()));
                        }
                    }
                    Err(_) => {}
                }
            }
        }));
    }

    fn unwrap_reply(
        &self,
        answer: Result<Result<A, MongodbError>, oneshot::error::RecvError>,
    ) -> Result<A, StoreError> {
        match answer {
            Ok(answer) => Ok(answer?),
            Err(_) => Err((self.abandoned_error)(DriverError::abandoned(CallAbandoned::Panicked)).into()),
        }
    }
}

impl<Q, A> Batcher<Q, A> {
    fn queue(&self) -> MutexGuard<'_, Queue<Q, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Queue<Q, A> {
    /// Whether a call is to be begun.
    fn enqueue(&mut self, waiting: PendingRequest<Q, A>) -> bool {
        self.waiting.push(waiting);
        let free = self.in_flight < MAX_IN_FLIGHT;
        self.in_flight += usize::from(free);
        free
    }
}

/// One of the calls under way, until nobody waits or its task is dropped.
struct BatchWorker<Q, A>(Option<Arc<Batcher<Q, A>>>);

impl<Q, A> BatchWorker<Q, A> {
    /// Those to be asked for now; when there are none the turn is over.
    fn next_batch(&mut self) -> Option<Vec<PendingRequest<Q, A>>> {
        let gathered = self.0.take()?;
        // On busy cores those who are about to ask come first: the more go together, the less each costs.
        thread::yield_now();
        let mut queue = gathered.queue();
        queue.waiting.retain(|waiting| !waiting.reply.is_closed());
        let count = queue.waiting.len().min(MAX_BATCH_SIZE);
        if count == 0 {
            queue.in_flight -= 1;
            return None;
        }
        let together = queue.waiting.drain(..count).collect();
        drop(queue);
        self.0 = Some(gathered);
        Some(together)
    }
}

impl<Q, A> Drop for BatchWorker<Q, A> {
    fn drop(&mut self) {
        if let Some(gathered) = &self.0 {
            gathered.queue().in_flight -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::{Semaphore, mpsc};
    use tokio::task::{JoinSet, yield_now};
    use tokio::time::Instant;

    use super::*;
    use crate::call_runner::CALL_TIMEOUT;

    /// Documents that are asked for, and as many answers as there are permits.
    struct Store {
        gathered: Arc<Batcher<String, Option<String>>>,
        calls: Arc<CallRunner>,
        asked: mpsc::UnboundedReceiver<Vec<String>>,
        told: mpsc::UnboundedSender<Vec<String>>,
        answers: Arc<Semaphore>,
    }

    impl Store {
        fn new() -> Self {
            let (told, asked) = mpsc::unbounded_channel();
            Self {
                gathered: Arc::new(Batcher::reads()),
                calls: Arc::new(CallRunner::on_current_runtime(CALL_TIMEOUT)),
                asked,
                told,
                answers: Arc::new(Semaphore::new(0)),
            }
        }

        /// Every document but `nobody` is there.
        fn find(&self, id: &str) -> impl Future<Output = Result<Option<String>, StoreError>> + use<> {
            let (gathered, calls) = (self.gathered.clone(), self.calls.clone());
            let (told, answers) = (self.told.clone(), self.answers.clone());
            let id = id.to_owned();
            let read = move |ids: Vec<String>| {
                let (told, answers) = (told.clone(), answers.clone());
                async move {
                    told.send(ids.clone()).unwrap();
                    answers.acquire().await.unwrap().forget();
                    assert!(!ids.iter().any(|id| id == "panic"), "on purpose");
                    if ids.iter().any(|id| id == "fail") {
                        return Err(MongodbError::Read(DriverError::unreadable()));
                    }
                    Ok(ids.into_iter().map(|id| (id != "nobody").then_some(id)).collect())
                }
            };
            async move { gathered.submit(id, &calls, read).await }
        }

        fn spawn(&self, tasks: &mut JoinSet<Option<String>>, id: &str) {
            let find = self.find(id);
            tasks.spawn(async move { find.await.unwrap() });
        }

        /// Begins as many calls as are under way ordinarily, each alone.
        async fn busy(&mut self, tasks: &mut JoinSet<Option<String>>) {
            for n in 0..MAX_IN_FLIGHT {
                self.spawn(tasks, &n.to_string());
                assert_eq!(self.asked.recv().await.unwrap(), [n.to_string()]);
            }
        }
    }

    #[tokio::test]
    async fn a_read_of_an_idle_store_is_made_at_once_and_alone() {
        let mut store = Store::new();
        store.answers.add_permits(2);
        assert!(store.find("ada").await.unwrap().is_some());
        assert!(store.find("nobody").await.unwrap().is_none());
        assert_eq!(store.asked.recv().await.unwrap(), ["ada"]);
        assert_eq!(store.asked.recv().await.unwrap(), ["nobody"]);
    }

    #[tokio::test]
    async fn those_that_come_while_the_store_is_busy_go_together() {
        let mut store = Store::new();
        let mut tasks = JoinSet::new();
        store.busy(&mut tasks).await;
        let later: Vec<_> = (0..=MAX_BATCH_SIZE).map(|n| format!("later-{n}")).collect();
        for id in &later {
            store.spawn(&mut tasks, id);
            yield_now().await;
        }
        assert!(store.asked.try_recv().is_err());
        store.answers.add_permits(1);
        assert_eq!(store.asked.recv().await.unwrap(), later[..MAX_BATCH_SIZE]);
        store.answers.add_permits(1);
        assert_eq!(store.asked.recv().await.unwrap(), later[MAX_BATCH_SIZE..]);
        store.answers.add_permits(MAX_IN_FLIGHT);
        let mut found: Vec<_> = tasks.join_all().await.into_iter().map(Option::unwrap).collect();
        found.sort_unstable();
        let mut all: Vec<_> = (0..MAX_IN_FLIGHT).map(|n| n.to_string()).chain(later).collect();
        all.sort_unstable();
        assert_eq!(found, all);
    }

    #[tokio::test(start_paused = true)]
    async fn reads_without_an_answer_hold_up_nobody_else_for_long() {
        let mut store = Store::new();
        let begun = Instant::now();
        let mut stuck = JoinSet::new();
        for n in 0..MAX_IN_FLIGHT {
            stuck.spawn(store.find(&n.to_string()));
            store.asked.recv().await.unwrap();
        }
        let another = tokio::spawn(store.find("another"));
        assert_eq!(store.asked.recv().await.unwrap(), ["another"]);
        assert_eq!(begun.elapsed(), HEDGE_AFTER);
        for failed in stuck.join_all().await {
            assert!(matches!(failed, Err(StoreError::Unavailable(_))));
        }
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        assert!(matches!(another.await.unwrap(), Err(StoreError::Unavailable(_))));
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        store.calls.finish().await;
        assert_eq!(store.gathered.queue().in_flight, 0);
    }

    #[tokio::test]
    async fn who_gave_up_is_not_read_for() {
        let mut store = Store::new();
        let mut tasks = JoinSet::new();
        store.busy(&mut tasks).await;
        let given_up = tokio::spawn(store.find("given-up"));
        yield_now().await;
        store.spawn(&mut tasks, "patient");
        yield_now().await;
        given_up.abort();
        let _ = given_up.await;
        store.answers.add_permits(MAX_IN_FLIGHT + 1);
        assert_eq!(store.asked.recv().await.unwrap(), ["patient"]);
        assert!(tasks.join_all().await.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_and_a_panic_blocks_nobody() {
        let mut store = Store::new();
        for wrong in ["fail", "panic"] {
            let mut tasks = JoinSet::new();
            store.busy(&mut tasks).await;
            let mut together = JoinSet::new();
            for id in [wrong, "ada"] {
                together.spawn(store.find(id));
                yield_now().await;
            }
            store.answers.add_permits(MAX_IN_FLIGHT + 1);
            for failed in together.join_all().await {
                assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{wrong}");
            }
            assert_eq!(store.asked.recv().await.unwrap(), [wrong, "ada"]);
            tasks.join_all().await;
        }
        store.answers.add_permits(1);
        assert!(store.find("ada").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_finished_store_reads_nothing() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        calls.finish().await;
        let gathered = Arc::new(Batcher::<(), ()>::reads());
        let refused = gathered.submit((), &calls, |_| pending()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_write_without_an_answer_the_outcome_is_not_known() {
        let calls = CallRunner::on_current_runtime(CALL_TIMEOUT);
        let gathered = Arc::new(Batcher::<(), ()>::writes());
        let written = gathered.submit((), &calls, |_| pending()).await;
        assert!(matches!(written, Err(StoreError::OutcomeUnknown(_))));
        let written = gathered.submit((), &calls, |_| async { panic!("on purpose") }).await;
        assert!(matches!(written, Err(StoreError::OutcomeUnknown(_))));
    }
}
