//! C3: the answer is lost, the successor is not.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use ports::StoreError;
use tokio::sync::Notify;

use crate::dice::Dice;
use crate::pace::Pace;
use crate::race::races;
use crate::store::Store;
use crate::tally::{Tally, hold, rounds};
use crate::world::meddling::Meddler;
use crate::world::{GRACE, World, by_token, renew};

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
impl Meddler for Withheld {
    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        if call == "families.rotate" {
            self.0.notify_one();
            pending::<()>().await;
        }
        Ok(())
    }
}

async fn a_lost_answer_is_told_again(store: Store) {
    let mut tally = Tally::of("c3 lost answer", store);
    let world = store.world(GRACE).await;
    let pace = store.pace(&world);
    for _ in 0..rounds(store, 60) {
        let mut dice = tally.dice();
        let loss = LOSSES[dice.below(LOSSES.len())];
        let outcome = lost(&world, &pace, loss, &mut dice).await;
        tally.add(outcome.map_err(|failure| format!("{loss:?}: {failure}")));
    }
    tally.end();
}

async fn lost(world: &World, pace: &Pace, loss: Loss, dice: &mut Dice) -> Result<(), String> {
    let user = world.user().await;
    let mut token = world.session(&user).await;
    for _ in 0..3 {
        lose(world, pace, loss, &token, dice).await;
        let committed = world
            .refresh_token_codec
            .encode(&world.family_of(&token).await.current_token());
        let retried = world.renew(&token).await;
        let successor = retried.map_err(|refused| format!("the retry was refused: {refused}"))?;
        let successor = successor.refresh_token.unwrap_or_default();
        // A caller who hung up early may not have been heard yet when it was looked.
        if !matches!(loss, Loss::AtAnyMoment) {
            hold(successor == committed, || "the retry got another token")?;
        }
        hold(successor != token, || "the retry got no successor")?;
        let current = world
            .refresh_token_codec
            .encode(&world.family_of(&token).await.current_token());
        hold(successor == current, || "what the retry got is not current")?;
        token = successor;
    }
    let generation = world.family_of(&token).await.generation;
    hold(generation == 4, || {
        format!("generation {generation} after three renewals")
    })
}

/// Renews, and nobody hears the answer.
async fn lose(world: &World, pace: &Pace, loss: Loss, token: &str, dice: &mut Dice) {
    let request = by_token(token, true);
    match loss {
        Loss::AfterTheAnswer => drop(world.renew(token).await),
        Loss::AfterTheCommit => {
            let done = Arc::new(Notify::new());
            let withheld: Arc<dyn Meddler> = Arc::new(Withheld(done.clone()));
            let tokens = world.meddled(&withheld);
            tokio::select! {
                () = done.notified() => {}
                answer = renew(&tokens, request) => panic!("the answer came through: {answer:?}"),
            }
        }
        Loss::AtAnyMoment => {
            let tokens = world.tokens.clone();
            let patience = dice.below(40);
            tokio::select! {
                biased;
                () = pace.give_way(patience) => {}
                _ = renew(&tokens, request) => {}
            }
        }
    }
}
