//! Reads by `_id` that wait at the same time are made together.
//!
//! A call of the driver costs about the same whether it asks for one document or for sixty. While few reads are under way
//! each is made at once; when the store is busy, those that come meanwhile go together with the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use ports::StoreFailure;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::calls::{Calls, GivenUp};
use crate::fault::Fault;

/// Reads of one kind that are under way at the same time, ordinarily.
const AT_ONCE: usize = 2;

/// Documents that are asked for together at most: a server's first answer holds more.
const TOGETHER: usize = 64;

/// Who waited so long has another read begun: those under way may never be answered.
const SLOW: Duration = Duration::from_millis(250);

type Answer = mongodb::error::Result<Option<RawDocumentBuf>>;

/// Those that there are, by their `_id`.
pub(crate) type Found = HashMap<String, RawDocumentBuf>;

struct Waiting {
    id: String,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Queue {
    under_way: usize,
    waiting: Vec<Waiting>,
}

/// The reads of one kind.
#[derive(Default)]
pub(crate) struct Gathered(Mutex<Queue>);

impl Gathered {
    /// The document with this `_id`, as it is at some moment after this was called. `read` gets those of the given ones
    /// that there are.
    pub(crate) async fn find<R, F>(
        self: &Arc<Self>,
        id: String,
        calls: &Calls,
        read: R,
    ) -> Result<Option<RawDocumentBuf>, StoreFailure>
    where
        R: Fn(Vec<String>) -> F + Send + 'static,
        F: Future<Output = mongodb::error::Result<Found>> + Send,
    {
        let _permit = calls.permit()?;
        let (sender, mut answer) = oneshot::channel();
        let mut patience = calls.patience();
        if self.queue().join(Waiting { id, answer: sender }) {
            self.begin(calls, read);
        } else if let Ok(answer) = timeout(SLOW.min(patience), &mut answer).await {
            return told(answer);
        } else {
            patience = patience.saturating_sub(SLOW);
            self.queue().under_way += 1;
            self.begin(calls, read);
        }
        match timeout(patience, answer).await {
            Ok(answer) => told(answer),
            Err(_) => Err(StoreFailure::Unavailable(Box::new(GivenUp::TooLong))),
        }
    }

    /// One read after the other, as long as somebody waits.
    fn begin<R, F>(self: &Arc<Self>, calls: &Calls, read: R)
    where
        R: Fn(Vec<String>) -> F + Send + 'static,
        F: Future<Output = mongodb::error::Result<Found>> + Send,
    {
        let mut turn = Turn(Some(self.clone()));
        let longest_life = calls.longest_life();
        calls.track(Box::pin(async move {
            while let Some(together) = turn.next() {
                let ids = together.iter().map(|waiting| waiting.id.clone()).collect();
                // Nobody waits any more for what was never answered.
                let Ok(found) = timeout(longest_life, read(ids)).await else {
                    continue;
                };
                for Waiting { id, answer } in together {
                    let _ = answer.send(
                        found
                            .as_ref()
                            .map(|found| found.get(&id).cloned())
                            .map_err(Clone::clone),
                    );
                }
            }
        }));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Whether a read is to be begun.
    fn join(&mut self, waiting: Waiting) -> bool {
        self.waiting.push(waiting);
        let free = self.under_way < AT_ONCE;
        self.under_way += usize::from(free);
        free
    }
}

/// One of the reads under way, until nobody waits or its task is dropped.
struct Turn(Option<Arc<Gathered>>);

impl Turn {
    /// Those to be read for now; when there are none the turn is over.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let gathered = self.0.take()?;
        let mut queue = gathered.queue();
        queue.waiting.retain(|waiting| !waiting.answer.is_closed());
        let count = queue.waiting.len().min(TOGETHER);
        if count == 0 {
            queue.under_way -= 1;
            return None;
        }
        let together = queue.waiting.drain(..count).collect();
        drop(queue);
        self.0 = Some(gathered);
        Some(together)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(gathered) = &self.0 {
            gathered.queue().under_way -= 1;
        }
    }
}

fn told(answer: Result<Answer, oneshot::error::RecvError>) -> Result<Option<RawDocumentBuf>, StoreFailure> {
    match answer {
        Ok(found) => Ok(found.map_err(|error| Fault::read(&error))?),
        Err(_) => Err(StoreFailure::Unavailable(Box::new(GivenUp::Panicked))),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use mongodb::bson::rawdoc;
    use tokio::sync::{Semaphore, mpsc};
    use tokio::task::{JoinSet, yield_now};
    use tokio::time::Instant;

    use super::*;
    use crate::calls::LONGEST_CALL;

    /// Reads that are asked for, and as many answers as there are permits.
    struct Store {
        gathered: Arc<Gathered>,
        calls: Arc<Calls>,
        asked: mpsc::UnboundedReceiver<Vec<String>>,
        told: mpsc::UnboundedSender<Vec<String>>,
        answers: Arc<Semaphore>,
    }

    impl Store {
        fn new() -> Self {
            let (told, asked) = mpsc::unbounded_channel();
            Self {
                gathered: Arc::default(),
                calls: Arc::new(Calls::here(LONGEST_CALL)),
                asked,
                told,
                answers: Arc::new(Semaphore::new(0)),
            }
        }

        /// Every document but `nobody` is there.
        fn find(&self, id: &str) -> impl Future<Output = Result<Option<RawDocumentBuf>, StoreFailure>> + use<> {
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
                        return Err(mongodb::error::Error::custom("on purpose"));
                    }
                    let found = ids.into_iter().filter(|id| id != "nobody");
                    Ok(found.map(|id| (id.clone(), rawdoc! { "_id": id })).collect())
                }
            };
            async move { gathered.find(id, &calls, read).await }
        }

        fn spawn(&self, tasks: &mut JoinSet<Option<String>>, id: &str) {
            let find = self.find(id);
            tasks.spawn(async move {
                let found = find.await.unwrap();
                found.map(|found| found.get_str("_id").unwrap().to_owned())
            });
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
        for n in 0..AT_ONCE {
            store.spawn(&mut tasks, &n.to_string());
            assert_eq!(store.asked.recv().await.unwrap(), [n.to_string()]);
        }
        let later: Vec<_> = (0..=TOGETHER).map(|n| format!("later-{n}")).collect();
        for id in &later {
            store.spawn(&mut tasks, id);
            yield_now().await;
        }
        assert!(store.asked.try_recv().is_err());
        store.answers.add_permits(1);
        assert_eq!(store.asked.recv().await.unwrap(), later[..TOGETHER]);
        store.answers.add_permits(1);
        assert_eq!(store.asked.recv().await.unwrap(), later[TOGETHER..]);
        store.answers.add_permits(AT_ONCE);
        let mut found: Vec<_> = tasks.join_all().await.into_iter().map(Option::unwrap).collect();
        found.sort_unstable();
        let mut all: Vec<_> = (0..AT_ONCE).map(|n| n.to_string()).chain(later).collect();
        all.sort_unstable();
        assert_eq!(found, all);
    }

    #[tokio::test(start_paused = true)]
    async fn reads_without_an_answer_hold_up_nobody_else_for_long() {
        let mut store = Store::new();
        let begun = Instant::now();
        let mut stuck = JoinSet::new();
        for n in 0..AT_ONCE {
            stuck.spawn(store.find(&n.to_string()));
            store.asked.recv().await.unwrap();
        }
        let another = tokio::spawn(store.find("another"));
        assert_eq!(store.asked.recv().await.unwrap(), ["another"]);
        assert_eq!(begun.elapsed(), SLOW);
        for failed in stuck.join_all().await {
            assert!(matches!(failed, Err(StoreFailure::Unavailable(_))));
        }
        assert_eq!(begun.elapsed(), LONGEST_CALL);
        assert!(matches!(another.await.unwrap(), Err(StoreFailure::Unavailable(_))));
        assert_eq!(begun.elapsed(), LONGEST_CALL);
        store.calls.finish().await;
        assert_eq!(store.gathered.queue().under_way, 0);
    }

    #[tokio::test]
    async fn who_gave_up_is_not_read_for() {
        let mut store = Store::new();
        let mut tasks = JoinSet::new();
        for n in 0..AT_ONCE {
            store.spawn(&mut tasks, &n.to_string());
            store.asked.recv().await.unwrap();
        }
        let given_up = tokio::spawn(store.find("given-up"));
        yield_now().await;
        store.spawn(&mut tasks, "patient");
        yield_now().await;
        given_up.abort();
        let _ = given_up.await;
        store.answers.add_permits(AT_ONCE + 1);
        assert_eq!(store.asked.recv().await.unwrap(), ["patient"]);
        assert!(tasks.join_all().await.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_and_a_panic_blocks_nobody() {
        let store = Store::new();
        store.answers.add_permits(100);
        for _ in 0..2 * AT_ONCE {
            assert!(matches!(store.find("fail").await, Err(StoreFailure::Unavailable(_))));
            assert!(matches!(store.find("panic").await, Err(StoreFailure::Unavailable(_))));
        }
        assert!(store.find("ada").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_finished_store_reads_nothing() {
        let calls = Calls::here(LONGEST_CALL);
        calls.finish().await;
        let gathered = Arc::new(Gathered::default());
        let refused = gathered.find("ada".to_owned(), &calls, |_| pending()).await;
        assert!(matches!(refused, Err(StoreFailure::Unavailable(_))));
    }
}
