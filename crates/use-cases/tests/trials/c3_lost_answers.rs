//! C3: a renewal whose answer was lost is repeated with the same refresh token: by refresh token, and by validation
//! token.

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

races!(a_lost_answer_is_repeated, a_lost_redemption_is_repeated);

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

/// Holds back the answer of a write forever, and notifies the test once the store has answered.
struct WithheldAnswer {
    write: &'static str,
    done: Arc<Notify>,
}

#[async_trait]
impl FaultInjector for WithheldAnswer {
    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        if call == self.write {
            self.done.notify_one();
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
        renew_without_answer(app, pace, loss, ("families.rotate", &token), rng).await;
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

/// The writes of a redemption, in order.
const REDEMPTION_WRITES: [&str; 2] = ["validation_tokens.consume", "families.start"];

async fn a_lost_redemption_is_repeated(store: Store) {
    let mut summary = Summary::of("c3 lost redemption", store);
    let app = store.app(GRACE).await;
    let pace = store.pace(&app);
    for _ in 0..rounds(store, 60) {
        let mut rng = summary.rng();
        let loss = LOSSES[rng.usize(..LOSSES.len())];
        let outcome = lose_and_redeem_again(&app, &pace, loss, &mut rng).await;
        summary.add(outcome.map_err(|error| format!("{loss:?}: {error}")));
    }
    summary.end();
}

/// Loses the answer three times. Each retry, and the renewal after it, must succeed.
async fn lose_and_redeem_again(app: &TestApp, pace: &Pace, loss: Loss, rng: &mut Rng) -> Result<(), String> {
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    for write in REDEMPTION_WRITES {
        renew_without_answer(app, pace, loss, (write, &token), rng).await;
    }
    let retried = app.renew(&token).await;
    let retried = retried.map_err(|rejected| format!("the retry was rejected: {rejected}"))?;
    let refresh = retried.refresh_token.unwrap_or_default();
    renew_without_answer(app, pace, loss, (REDEMPTION_WRITES[1], &token), rng).await;
    let families = app.families(&user).await.len();
    ensure(families == 1, || format!("{families} families"))?;
    let live = app.renewable_tokens(&user).await;
    ensure(live == [refresh.clone()], || "what the retry got is not the live token")?;
    let renewed = app.renew(&refresh).await;
    renewed
        .map(drop)
        .map_err(|rejected| format!("the session was rejected: {rejected}"))
}

/// Renews, and drops the answer: of the named write if the caller hangs up after the commit.
async fn renew_without_answer(
    app: &TestApp,
    pace: &Pace,
    loss: Loss,
    (write, token): (&'static str, &str),
    rng: &mut Rng,
) {
    let request = by_token(token, true);
    match loss {
        Loss::AfterTheAnswer => drop(app.renew(token).await),
        Loss::AfterTheCommit => {
            let done = Arc::new(Notify::new());
            let injector: Arc<dyn FaultInjector> = Arc::new(WithheldAnswer {
                write,
                done: done.clone(),
            });
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
