//! What must happen once, whoever asks at the same time.

use std::collections::BTreeSet;

use use_cases::tokens::TokenError;

use crate::race::{at_once, races};
use crate::store::Store;
use crate::summary::{Summary, hold, rounds};
use crate::test_app::{GRACE, TestApp, by_token, caller, hand_off, renew};

races!(
    one_of_parallel_uses_of_a_validation_token_wins,
    parallel_first_hand_offs_of_one_person_make_one_user,
);

async fn one_of_parallel_uses_of_a_validation_token_wins(store: Store) {
    let mut summary = Summary::of("v validation token", store);
    let app = store.app(GRACE).await;
    for _ in 0..rounds(store, 20) {
        summary.add(used_by_many(&app).await);
    }
    summary.end();
}

async fn used_by_many(app: &TestApp) -> Result<(), String> {
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let tokens = app.tokens.clone();
    let answers = at_once(64, move |caller| {
        let (tokens, request) = (tokens.clone(), by_token(&token, caller % 2 == 0));
        async move { renew(&tokens, request).await }
    });
    let answers = answers.await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let lost = answers
        .iter()
        .filter(|answer| matches!(answer, Err(TokenError::TokenNotValid)));
    hold(won == 1 && lost.count() == 63, || format!("{won} won"))?;
    let started = answers
        .iter()
        .flatten()
        .filter(|tokens| tokens.refresh_token.is_some())
        .count();
    let families = app.families(&user).await.len();
    hold(families == started, || format!("{families} families, {started} told"))
}

async fn parallel_first_hand_offs_of_one_person_make_one_user(store: Store) {
    let mut summary = Summary::of("v first hand-off", store);
    let app = store.app(GRACE).await;
    for round in 0..rounds(store, 20) {
        summary.add(handed_off_by_many(&app, &format!("new-{round}@example.com")).await);
    }
    summary.end();
}

async fn handed_off_by_many(app: &TestApp, address: &str) -> Result<(), String> {
    let (tokens, request) = (app.tokens.clone(), hand_off(address));
    let answers = at_once(16, move |_| {
        let (tokens, request) = (tokens.clone(), request.clone());
        async move { tokens.handle_auth.run(&caller("saml"), request).await }
    });
    let mut users = BTreeSet::new();
    for answer in answers.await {
        let hand_off = answer.map_err(|refused| refused.to_string())?.into_inner();
        users.insert(hand_off.user);
    }
    hold(users.len() == 1, || format!("{users:?}"))?;
    let found = app.stores.identities.find_by_login(address).await.unwrap();
    let found = found.map(|identity| identity.id);
    hold(found == users.pop_first(), || format!("the login leads to {found:?}"))
}
