//! C13: a right code is accepted once.

use domain::factors::events::FACTOR_VERIFIED;
use use_cases::factors::ValidateCodeError;

use crate::challenges::{answer_in_parallel, require_one_event, send_challenge};
use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, ensure, rounds};
use test_support::TestApp;
use test_support::app::GRACE;

races!(one_of_parallel_right_codes_is_accepted);

async fn one_of_parallel_right_codes_is_accepted(store: Store) {
    let mut summary = Summary::of("c13", store);
    let app = store.app(GRACE).await;
    for round in 0..rounds(store, 100) {
        summary.add(race_right_codes(&app, round).await);
    }
    summary.end();
}

async fn race_right_codes(app: &TestApp, round: usize) -> Result<(), String> {
    let (user, challenge) = send_challenge(app, round).await;
    let right = app.sent_codes.code(&challenge);
    let answers = answer_in_parallel(app, &user, &challenge, (64, &right)).await;
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let rejected = answers
        .iter()
        .filter(|answer| matches!(answer, Err(ValidateCodeError::Wrong | ValidateCodeError::UsedUp)));
    let rejected = rejected.count();
    ensure(accepted == 1 && rejected == 63, || {
        format!("{accepted} accepted, {rejected} rejected")
    })?;
    let compared = app.codes.comparisons(&challenge);
    ensure(compared <= 64, || format!("{compared} comparisons"))?;
    let set = app.factor_set(&user).await;
    let verified = set.contacts.iter().all(|contact| contact.is_verified);
    ensure(verified, || "the contact is not verified")?;
    require_one_event(app, &user, FACTOR_VERIFIED).await
}
