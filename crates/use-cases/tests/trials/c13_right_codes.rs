//! C13: a right code works once.

use domain::event::EventKind;
use use_cases::factors::ValidateCodeError;

use crate::challenges::{answered, challenged, told};
use crate::race::races;
use crate::store::Store;
use crate::tally::{Tally, hold, rounds};
use crate::world::{GRACE, World};

races!(of_parallel_right_answers_one_is_accepted);

async fn of_parallel_right_answers_one_is_accepted(store: Store) {
    let mut tally = Tally::of("c13", store);
    let world = store.world(GRACE).await;
    for round in 0..rounds(store, 100) {
        tally.add(answered_by_many(&world, round).await);
    }
    tally.end();
}

async fn answered_by_many(world: &World, round: usize) -> Result<(), String> {
    let (user, challenge) = challenged(world, round).await;
    let right = world.letters.code(&challenge);
    let answers = answered(world, &user, &challenge, (64, &right)).await;
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(ValidateCodeError::Wrong | ValidateCodeError::UsedUp)));
    let refused = refused.count();
    hold(accepted == 1 && refused == 63, || {
        format!("{accepted} accepted, {refused} refused")
    })?;
    let compared = world.codes.comparisons(&challenge);
    hold(compared <= 64, || format!("{compared} comparisons"))?;
    let set = world.stores.factor_sets.find(&user).await.unwrap();
    let verified = set.contacts.iter().all(|contact| contact.verified);
    hold(verified, || "the contact is not verified")?;
    told(world, &user, EventKind::FactorVerified).await
}
