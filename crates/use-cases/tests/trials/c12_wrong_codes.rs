//! C12: a code is tried at most five times.

use domain::event::EventKind;
use use_cases::factors::ValidateCodeError;

use crate::challenges::{answered, challenged, told};
use crate::race::races;
use crate::store::Store;
use crate::tally::{Tally, hold, rounds};
use crate::world::{GRACE, World};

races!(a_code_is_tried_at_most_five_times);

async fn a_code_is_tried_at_most_five_times(store: Store) {
    let mut tally = Tally::of("c12", store);
    let world = store.world(GRACE).await;
    for round in 0..rounds(store, 100) {
        tally.add(tried_by_many(&world, round).await);
    }
    tally.end();
}

async fn tried_by_many(world: &World, round: usize) -> Result<(), String> {
    let (user, challenge) = challenged(world, round).await;
    let right = world.letters.code(&challenge);
    let wrong = if right == "123456" { "654321" } else { "123456" };
    let answers = answered(world, &user, &challenge, (200, wrong)).await;
    let count = |wanted: fn(&ValidateCodeError) -> bool| {
        let refused = answers.iter().filter(|answer| answer.as_ref().is_err_and(wanted));
        refused.count()
    };
    let wrong = count(|error| matches!(error, ValidateCodeError::Wrong));
    let used_up = count(|error| matches!(error, ValidateCodeError::UsedUp));
    let compared = world.codes.comparisons(&challenge);
    hold(wrong == 5 && used_up == 195 && compared == 5, || {
        format!("{wrong} wrong, {used_up} used up, {compared} comparisons")
    })?;
    let late = answered(world, &user, &challenge, (1, &right)).await;
    hold(matches!(late[..], [Err(ValidateCodeError::UsedUp)]), || {
        format!("{late:?}")
    })?;
    told(world, &user, EventKind::FactorAttemptsExhausted).await
}
