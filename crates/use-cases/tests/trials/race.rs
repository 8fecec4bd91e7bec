use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use libtest_mimic::Trial;
use tokio::runtime;
use tokio::sync::Barrier;

use crate::store::Store;
use test_support::fault_injection::on_a_thread;

/// A trial that runs on every store.
#[derive(Clone)]
pub(crate) struct Race {
    /// The path of the function.
    pub(crate) name: &'static str,
    pub(crate) run: fn(Store) -> Pin<Box<dyn Future<Output = ()>>>,
}

impl Race {
    /// Returns the trial with a runtime of its own, ignored if the store is not available.
    pub(crate) fn trial_on(&self, store: Store) -> Trial {
        let (_, path) = self.name.split_once("::").expect("the path begins with the crate");
        let run = self.run;
        let trial = Trial::test(format!("{store}::{path}"), move || {
            let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(run(store));
            Ok(())
        });
        trial.with_ignored_flag(!store.is_available())
    }
}

/// Lists the races of a file.
macro_rules! races {
    ($($race:ident),+ $(,)?) => {
        pub(crate) fn races() -> Vec<$crate::race::Race> {
            vec![$($crate::race::Race {
                name: concat!(module_path!(), "::", stringify!($race)),
                run: |store| Box::pin($race(store)),
            }),+]
        }
    };
}

pub(crate) use races;

/// Runs `call` for each of `callers` in parallel, and returns the results in the order of their numbers.
pub(crate) async fn in_parallel<C, F>(callers: usize, call: C) -> Vec<F::Output>
where
    C: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output: Send + 'static>,
{
    let barrier = Arc::new(Barrier::new(callers));
    let task = |caller| {
        let (barrier, call) = (barrier.clone(), call.clone());
        on_a_thread(move || async move {
            barrier.wait().await;
            call(caller).await
        })
    };
    let tasks: Vec<_> = (0..callers).map(task).collect();
    let mut answers = Vec::with_capacity(callers);
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}
