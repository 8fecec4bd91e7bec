//! C12: a code is compared at most five times.

use domain::factors::events::FACTOR_ATTEMPTS_EXHAUSTED;
use use_cases::factors::ValidateCodeError;

use crate::challenges::{answer_in_parallel, require_one_event, send_challenge};
use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, ensure, rounds};
use test_support::TestApp;
use test_support::app::GRACE;

races!(a_code_is_compared_at_most_five_times);

async fn a_code_is_compared_at_most_five_times(store: Store) {
    let mut summary = Summary::of("c12", store);
    let app = store.app(GRACE).await;
    for round in 0..rounds(store, 100) {
        summary.add(race_wrong_codes(&app, round).await);
    }
    summary.end();
}

async fn race_wrong_codes(app: &TestApp, round: usize) -> Result<(), String> {
    let (user, challenge) = send_challenge(app, round).await;
    let right = app.sent_codes.code(&challenge);
    let wrong = if right == "123456" { "654321" } else { "123456" };
    let answers = answer_in_parallel(app, &user, &challenge, (200, wrong)).await;
    let count = |wanted: fn(&ValidateCodeError) -> bool| {
        let rejected = answers.iter().filter(|answer| answer.as_ref().is_err_and(wanted));
        rejected.count()
    };
    let wrong = count(|error| matches!(error, ValidateCodeError::Wrong));
    let used_up = count(|error| matches!(error, ValidateCodeError::UsedUp));
    let compared = app.codes.comparisons(&challenge);
    ensure(wrong == 5 && used_up == 195 && compared == 5, || {
        format!("{wrong} wrong, {used_up} used up, {compared} comparisons")
    })?;
    let late = answer_in_parallel(app, &user, &challenge, (1, &right)).await;
    ensure(matches!(late[..], [Err(ValidateCodeError::UsedUp)]), || {
        format!("{late:?}")
    })?;
    require_one_event(app, &user, FACTOR_ATTEMPTS_EXHAUSTED).await
}
