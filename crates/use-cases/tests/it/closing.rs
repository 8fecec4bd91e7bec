//! Renewal without remembering: it closes its family.

use domain::event::EventKind;
use domain::tokens::{AccessTokenSubject, FamilyStatus};
use use_cases::tokens::{IssuedTokens, TokenError};

use crate::change_app::changed;
use crate::test_app::{GRACE, PORTAL, TestApp};

/// The tokens of somebody who is not to be remembered: no refresh token, and no session in the access token.
#[track_caller]
fn assert_forgotten(app: &TestApp, tokens: &IssuedTokens) {
    assert_eq!(tokens.refresh_token, None);
    let subject = app.signer.content(&tokens.access_token).subject;
    assert!(
        matches!(subject, AccessTokenSubject::User { session: None, .. }),
        "{subject:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_closes_the_family_without_an_event() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let tokens = app.forget(&first).await.unwrap();
    assert_forgotten(&app, &tokens);
    let status = app.family_of(&first).await.status;
    assert!(matches!(status, FamilyStatus::Closed(_)), "{status:?}");
    let kinds: Vec<_> = app.events().await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::SessionStarted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_that_closed_its_family_gets_an_access_token_again_inside_the_grace_time() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    app.forget(&first).await.unwrap();
    let closed = app.family_of(&first).await;
    app.clock.advance(GRACE / 2);
    assert_forgotten(&app, &app.forget(&first).await.unwrap());
    assert!(matches!(app.renew(&first).await, Err(TokenError::TokenNotValid)));
    assert_eq!(app.family_of(&first).await, closed);
    app.clock.advance(GRACE / 2);
    assert!(matches!(app.forget(&first).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_the_current_one_closes_the_family_too_inside_the_grace_time() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let second = app.successor(&first).await;
    assert_forgotten(&app, &app.forget(&first).await.unwrap());
    assert_forgotten(&app, &app.forget(&first).await.unwrap());
    assert!(matches!(app.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(app.forget(&second).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_the_current_one_is_a_replay_once_its_grace_is_over() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    app.successor(&first).await;
    app.clock.advance(GRACE);
    assert!(matches!(app.forget(&first).await, Err(TokenError::TokenNotValid)));
    assert!(app.renewable_tokens(&user).await.is_empty());
    assert_eq!(app.metrics.replays(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_the_token_that_closed_its_family_is_refused_at_once() {
    let app = TestApp::strict().await;
    let first = app.session(&app.user().await).await;
    app.forget(&first).await.unwrap();
    assert!(matches!(app.forget(&first).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_token_of_a_closed_family_is_refused_and_revokes_nothing() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let second = app.successor(&first).await;
    let third = app.successor(&second).await;
    app.forget(&third).await.unwrap();
    let closed = app.family_of(&third).await;
    for token in [&first, &second] {
        assert!(matches!(app.renew(token).await, Err(TokenError::TokenNotValid)));
        assert!(matches!(app.forget(token).await, Err(TokenError::TokenNotValid)));
    }
    assert_eq!(app.family_of(&third).await, closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branches_of_a_closed_family_stay() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let root = app.session(&user).await;
    let tokens = app.renew(&root).await.unwrap();
    let holder = app.caller_of(&tokens);
    let token = changed(&app.tokens, &holder, PORTAL).await;
    let branch = app.successor(&token).await;
    app.forget(&tokens.refresh_token.unwrap()).await.unwrap();
    app.renew(&branch).await.unwrap();
}
