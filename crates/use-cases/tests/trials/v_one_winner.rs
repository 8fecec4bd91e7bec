//! V: a validation token starts one session, and parallel first logins create one user.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::tokens::AssertionId;
use use_cases::sessions::TokenError;

use crate::race::{in_parallel, races};
use crate::store::Store;
use crate::summary::{Summary, ensure, rounds};
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{address_of, by_token, caller, renew, saml_login};

races!(
    parallel_uses_of_a_validation_token_start_one_session,
    parallel_first_saml_logins_create_one_user,
    parallel_logins_with_one_assertion_get_one_validation_token,
);

async fn parallel_uses_of_a_validation_token_start_one_session(store: Store) {
    let mut summary = Summary::of("v validation token", store);
    let graceful = store.app(GRACE).await;
    let strict = store.app(Duration::ZERO).await;
    for round in 0..rounds(store, 20) {
        let app = if round % 2 == 0 { &graceful } else { &strict };
        summary.add(race_validation_token(app, round % 2 == 0).await);
    }
    summary.end();
}

/// Half of the uses ask for a refresh token. The first use decides which half gets an answer: all of it in the grace
/// time, and the first use alone without grace.
async fn race_validation_token(app: &TestApp, has_grace: bool) -> Result<(), String> {
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let tokens = app.tokens.clone();
    let answers = in_parallel(64, move |caller| {
        let (tokens, request) = (tokens.clone(), by_token(&token, caller % 2 == 0));
        async move { renew(&tokens, request).await }
    });
    let answers = answers.await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let lost = answers
        .iter()
        .filter(|answer| matches!(answer, Err(TokenError::TokenNotValid)));
    let expected = if has_grace { 32 } else { 1 };
    ensure(won == expected && lost.count() == 64 - expected, || {
        format!("{won} won")
    })?;
    let refresh_tokens: BTreeSet<_> = answers.iter().flatten().map(|tokens| &tokens.refresh_token).collect();
    ensure(refresh_tokens.len() == 1, || "the answers differ")?;
    let started: Vec<_> = refresh_tokens.into_iter().flatten().cloned().collect();
    let families = app.families(&user).await.len();
    ensure(families == started.len(), || format!("{families} families"))?;
    ensure(app.renewable_tokens(&user).await == started, || "another token is live")
}

async fn parallel_first_saml_logins_create_one_user(store: Store) {
    let mut summary = Summary::of("v first SAML login", store);
    let app = store.app(GRACE).await;
    for round in 0..rounds(store, 20) {
        summary.add(race_first_logins(&app, &format!("new-{round}@example.com")).await);
    }
    summary.end();
}

async fn race_first_logins(app: &TestApp, address: &str) -> Result<(), String> {
    let (tokens, request) = (app.tokens.clone(), saml_login(address));
    let answers = in_parallel(16, move |_| {
        let (tokens, request) = (tokens.clone(), request.clone());
        async move { tokens.handle_auth.run(&caller("saml"), request).await }
    });
    let mut users = BTreeSet::new();
    for answer in answers.await {
        let issued = answer.map_err(|rejected| rejected.to_string())?.into_inner();
        users.insert(issued.user);
    }
    ensure(users.len() == 1, || format!("{users:?}"))?;
    let found = app.stores.identities.find_by_login(address).await.unwrap();
    let found = found.map(|identity| identity.id);
    ensure(found == users.pop_first(), || format!("the login leads to {found:?}"))
}

async fn parallel_logins_with_one_assertion_get_one_validation_token(store: Store) {
    let mut summary = Summary::of("v assertion", store);
    let app = store.app(GRACE).await;
    for round in 0..rounds(store, 20) {
        summary.add(race_assertion(&app, &format!("_{round}")).await);
    }
    summary.end();
}

async fn race_assertion(app: &TestApp, id: &str) -> Result<(), String> {
    let (tokens, mut request) = (app.tokens.clone(), saml_login(&address_of(&app.user().await)));
    request.assertion.id = Some(AssertionId::parse(id).unwrap());
    let answers = in_parallel(64, move |_| {
        let (tokens, request) = (tokens.clone(), request.clone());
        async move { tokens.handle_auth.run(&caller("saml"), request).await }
    });
    let answers = answers.await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(TokenError::AssertionUsed)));
    ensure(won == 1 && refused.count() == 63, || format!("{won} won"))
}
