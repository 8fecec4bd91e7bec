//! C3: the answer is lost, the successor is not.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use ports::StoreError;
use tokio::sync::Notify;

use crate::pace::Pace;
use crate::race::races;
use crate::rng::Rng;
use crate::store::Store;
use crate::summary::{Summary, hold, rounds};
use crate::test_app::fault_injection::FaultInjector;
use crate::test_app::{GRACE, TestApp, by_token, renew};

races!(a_lost_answer_is_told_again);

/// Where the answer is lost.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// On the way to the caller.
    AfterTheAnswer,
    /// The caller hangs up when the store has committed.
    AfterTheCommit,
    /// The caller hangs up at some moment.
    AtAnyMoment,
}

const LOSSES: [Loss; 3] = [Loss::AfterTheAnswer, Loss::AfterTheCommit, Loss::AtAnyMoment];

/// Never lets the answer of a rotation through, and says when the store has given it.
struct Withheld(Arc<Notify>);

#[async_trait]
impl FaultInjector for Withheld {
    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        if call == "families.rotate" {
            self.0.notify_one();
            pending::<()>().await;
        }
        Ok(())
    }
}

async fn a_lost_answer_is_told_again(store: Store) {
    let mut summary = Summary::of("c3 lost answer", store);
    let app = store.app(GRACE).await;
    let pace = store.pace(&app);
    for _ in 0..rounds(store, 60) {
        let mut rng = summary.rng();
        let loss = LOSSES[rng.below(LOSSES.len())];
        let outcome = lost(&app, &pace, loss, &mut rng).await;
        summary.add(outcome.map_err(|failure| format!("{loss:?}: {failure}")));
    }
    summary.end();
}

async fn lost(app: &TestApp, pace: &Pace, loss: Loss, rng: &mut Rng) -> Result<(), String> {
    let user = app.user().await;
    let mut token = app.session(&user).await;
    for _ in 0..3 {
        lose(app, pace, loss, &token, rng).await;
        let committed = app
            .refresh_token_codec
            .encode(&app.family_of(&token).await.current_token());
        let retried = app.renew(&token).await;
        let successor = retried.map_err(|refused| format!("the retry was refused: {refused}"))?;
        let successor = successor.refresh_token.unwrap_or_default();
        // A caller who hung up early may not have been heard yet when it was looked.
        if !matches!(loss, Loss::AtAnyMoment) {
            hold(successor == committed, || "the retry got another token")?;
        }
        hold(successor != token, || "the retry got no successor")?;
        let current = app
            .refresh_token_codec
            .encode(&app.family_of(&token).await.current_token());
        hold(successor == current, || "what the retry got is not current")?;
        token = successor;
    }
    let generation = app.family_of(&token).await.generation;
    hold(generation == 4, || {
        format!("generation {generation} after three renewals")
    })
}

/// Renews, and nobody hears the answer.
async fn lose(app: &TestApp, pace: &Pace, loss: Loss, token: &str, rng: &mut Rng) {
    let request = by_token(token, true);
    match loss {
        Loss::AfterTheAnswer => drop(app.renew(token).await),
        Loss::AfterTheCommit => {
            let done = Arc::new(Notify::new());
            let withheld: Arc<dyn FaultInjector> = Arc::new(Withheld(done.clone()));
            let tokens = app.with_faults(&withheld);
            tokio::select! {
                () = done.notified() => {}
                answer = renew(&tokens, request) => panic!("the answer came through: {answer:?}"),
            }
        }
        Loss::AtAnyMoment => {
            let tokens = app.tokens.clone();
            let patience = rng.below(40);
            tokio::select! {
                biased;
                () = pace.give_way(patience) => {}
                _ = renew(&tokens, request) => {}
            }
        }
    }
}
