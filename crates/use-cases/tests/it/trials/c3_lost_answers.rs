//! C3: the answer is lost, the successor is not.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{Dice, Trials, give_way, hold, rounds};
use crate::meddling::{Meddler, Withheld};
use crate::world::{World, by_token, renew};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_told_again() {
    let mut trials = Trials::of("c3 lost answer");
    let world = World::new().await;
    for _ in 0..rounds(60) {
        let mut dice = Dice::of(&trials);
        let loss = LOSSES[dice.below(LOSSES.len())];
        let outcome = lost(&world, loss, &mut dice).await;
        trials.add(outcome.map_err(|failure| format!("{loss:?}: {failure}")));
    }
    trials.end();
}

async fn lost(world: &World, loss: Loss, dice: &mut Dice) -> Result<(), String> {
    let user = world.user().await;
    let mut token = world.session(&user).await;
    for _ in 0..3 {
        lose(world, loss, &token, dice).await;
        let committed = world.seal.seal(&world.family_of(&token).await.current_token());
        let retried = world.renew(&token).await;
        let successor = retried.map_err(|refused| format!("the retry was refused: {refused}"))?;
        let successor = successor.refresh_token.unwrap_or_default();
        // A caller who hung up early may not have been heard yet when it was looked.
        if !matches!(loss, Loss::AtAnyMoment) {
            hold(successor == committed, || "the retry got another token")?;
        }
        hold(successor != token, || "the retry got no successor")?;
        let current = world.seal.seal(&world.family_of(&token).await.current_token());
        hold(successor == current, || "what the retry got is not current")?;
        token = successor;
    }
    let generation = world.family_of(&token).await.generation;
    hold(generation == 4, || {
        format!("generation {generation} after three renewals")
    })
}

/// Renews, and nobody hears the answer.
async fn lose(world: &World, loss: Loss, token: &str, dice: &mut Dice) {
    let request = by_token(token, true);
    match loss {
        Loss::AfterTheAnswer => drop(world.renew(token).await),
        Loss::AfterTheCommit => {
            let done = Arc::new(Notify::new());
            let call = "families.rotate";
            let withheld: Arc<dyn Meddler> = Arc::new(Withheld {
                call,
                done: done.clone(),
            });
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
                () = give_way(patience) => {}
                _ = renew(&tokens, request) => {}
            }
        }
    }
}
