//! C3: a renewal whose answer was lost is repeated with the same successor.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use fastrand::Rng;
use ports::StoreError;
use tokio::sync::Notify;

use crate::pace::Pace;
use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, ensure, rounds};
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{by_token, renew};
use test_support::fault_injection::FaultInjector;

races!(a_lost_answer_is_repeated);

/// The place where the answer is lost.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// On the way to the caller.
    AfterTheAnswer,
    /// The caller hangs up after the commit.
    AfterTheCommit,
    /// The caller hangs up at a random moment.
    AtAnyMoment,
}

const LOSSES: [Loss; 3] = [Loss::AfterTheAnswer, Loss::AfterTheCommit, Loss::AtAnyMoment];

/// Holds back the answer of a rotation forever, and notifies the test once the store has answered.
struct WithheldAnswer(Arc<Notify>);

#[async_trait]
impl FaultInjector for WithheldAnswer {
    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        if call == "families.rotate" {
            self.0.notify_one();
            pending::<()>().await;
        }
        Ok(())
    }
}

async fn a_lost_answer_is_repeated(store: Store) {
    let mut summary = Summary::of("c3 lost answer", store);
    let app = store.app(GRACE).await;
    let pace = store.pace(&app);
    for _ in 0..rounds(store, 60) {
        let mut rng = summary.rng();
        let loss = LOSSES[rng.usize(..LOSSES.len())];
        let outcome = lose_and_retry(&app, &pace, loss, &mut rng).await;
        summary.add(outcome.map_err(|error| format!("{loss:?}: {error}")));
    }
    summary.end();
}

async fn lose_and_retry(app: &TestApp, pace: &Pace, loss: Loss, rng: &mut Rng) -> Result<(), String> {
    let user = app.user().await;
    let mut token = app.session(&user).await;
    for _ in 0..3 {
        renew_without_answer(app, pace, loss, &token, rng).await;
        let committed = app
            .refresh_token_codec
            .encode(&app.family_of(&token).await.current_token());
        let retried = app.renew(&token).await;
        let successor = retried.map_err(|rejected| format!("the retry was rejected: {rejected}"))?;
        let successor = successor.refresh_token.unwrap_or_default();
        // The write of a caller who hung up early may land after `committed` was read.
        if !matches!(loss, Loss::AtAnyMoment) {
            ensure(successor == committed, || "the retry got another token")?;
        }
        ensure(successor != token, || "the retry got no successor")?;
        let current = app
            .refresh_token_codec
            .encode(&app.family_of(&token).await.current_token());
        ensure(successor == current, || "what the retry got is not current")?;
        token = successor;
    }
    let generation = app.family_of(&token).await.generation;
    ensure(generation == 4, || {
        format!("generation {generation} after three renewals")
    })
}

/// Renews, and drops the answer.
async fn renew_without_answer(app: &TestApp, pace: &Pace, loss: Loss, token: &str, rng: &mut Rng) {
    let request = by_token(token, true);
    match loss {
        Loss::AfterTheAnswer => drop(app.renew(token).await),
        Loss::AfterTheCommit => {
            let done = Arc::new(Notify::new());
            let injector: Arc<dyn FaultInjector> = Arc::new(WithheldAnswer(done.clone()));
            let tokens = app.with_faults(&injector);
            tokio::select! {
                () = done.notified() => {}
                answer = renew(&tokens, request) => panic!("the answer came through: {answer:?}"),
            }
        }
        Loss::AtAnyMoment => {
            let tokens = app.tokens.clone();
            let delay = rng.usize(..40);
            tokio::select! {
                biased;
                () = pace.yield_to_others(delay) => {}
                _ = renew(&tokens, request) => {}
            }
        }
    }
}
