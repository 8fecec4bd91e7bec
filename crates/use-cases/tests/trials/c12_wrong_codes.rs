//! C12: a code is tried at most five times.

use domain::event::EventKind;
use use_cases::factors::ValidateCodeError;

use crate::challenges::{answered, challenged, told};
use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, hold, rounds};
use crate::test_app::{GRACE, TestApp};

races!(a_code_is_tried_at_most_five_times);

async fn a_code_is_tried_at_most_five_times(store: Store) {
    let mut summary = Summary::of("c12", store);
    let app = store.app(GRACE).await;
    for round in 0..rounds(store, 100) {
        summary.add(tried_by_many(&app, round).await);
    }
    summary.end();
}

async fn tried_by_many(app: &TestApp, round: usize) -> Result<(), String> {
    let (user, challenge) = challenged(app, round).await;
    let right = app.sent_codes.code(&challenge);
    let wrong = if right == "123456" { "654321" } else { "123456" };
    let answers = answered(app, &user, &challenge, (200, wrong)).await;
    let count = |wanted: fn(&ValidateCodeError) -> bool| {
        let refused = answers.iter().filter(|answer| answer.as_ref().is_err_and(wanted));
        refused.count()
    };
    let wrong = count(|error| matches!(error, ValidateCodeError::Wrong));
    let used_up = count(|error| matches!(error, ValidateCodeError::UsedUp));
    let compared = app.codes.comparisons(&challenge);
    hold(wrong == 5 && used_up == 195 && compared == 5, || {
        format!("{wrong} wrong, {used_up} used up, {compared} comparisons")
    })?;
    let late = answered(app, &user, &challenge, (1, &right)).await;
    hold(matches!(late[..], [Err(ValidateCodeError::UsedUp)]), || {
        format!("{late:?}")
    })?;
    told(app, &user, EventKind::FactorAttemptsExhausted).await
}
