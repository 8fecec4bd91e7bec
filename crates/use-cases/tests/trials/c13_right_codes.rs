//! C13: a right code works once.

use domain::event::EventKind;
use use_cases::factors::ValidateCodeError;

use crate::challenges::{answered, challenged, told};
use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, hold, rounds};
use crate::test_app::{GRACE, TestApp};

races!(of_parallel_right_answers_one_is_accepted);

async fn of_parallel_right_answers_one_is_accepted(store: Store) {
    let mut summary = Summary::of("c13", store);
    let app = store.app(GRACE).await;
    for round in 0..rounds(store, 100) {
        summary.add(answered_by_many(&app, round).await);
    }
    summary.end();
}

async fn answered_by_many(app: &TestApp, round: usize) -> Result<(), String> {
    let (user, challenge) = challenged(app, round).await;
    let right = app.sent_codes.code(&challenge);
    let answers = answered(app, &user, &challenge, (64, &right)).await;
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(ValidateCodeError::Wrong | ValidateCodeError::UsedUp)));
    let refused = refused.count();
    hold(accepted == 1 && refused == 63, || {
        format!("{accepted} accepted, {refused} refused")
    })?;
    let compared = app.codes.comparisons(&challenge);
    hold(compared <= 64, || format!("{compared} comparisons"))?;
    let set = app.stores.factor_sets.find(&user).await.unwrap();
    let verified = set.contacts.iter().all(|contact| contact.is_verified);
    hold(verified, || "the contact is not verified")?;
    told(app, &user, EventKind::FactorVerified).await
}
