//! Renewal with `remember-me=false`: it closes the family.

use domain::sessions::events::SESSION_STARTED;
use domain::sessions::{AccessTokenSubject, FamilyStatus};
use use_cases::sessions::{IssuedTokens, TokenError};

use crate::change_app::change_app_token;
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::PORTAL;

/// Asserts that there is no refresh token, and no session in the access token.
#[track_caller]
fn assert_no_session(app: &TestApp, tokens: &IssuedTokens) {
    assert_eq!(tokens.refresh_token, None);
    let subject = app.signer.content(&tokens.access_token).subject;
    assert!(
        matches!(subject, AccessTokenSubject::User { session: None, .. }),
        "{subject:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_family_emits_no_event() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let tokens = app.close(&first).await.unwrap();
    assert_no_session(&app, &tokens);
    let status = app.family_of(&first).await.status;
    assert!(matches!(status, FamilyStatus::Closed(_)), "{status:?}");
    let kinds: Vec<_> = app.events().await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [SESSION_STARTED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_closing_token_is_accepted_again_within_grace() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    app.close(&first).await.unwrap();
    let closed = app.family_of(&first).await;
    app.clock.advance(GRACE / 2);
    assert_no_session(&app, &app.close(&first).await.unwrap());
    assert!(matches!(app.renew(&first).await, Err(TokenError::TokenNotValid)));
    assert_eq!(app.family_of(&first).await, closed);
    app.clock.advance(GRACE / 2);
    assert!(matches!(app.close(&first).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_token_closes_the_family_within_grace() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let second = app.successor(&first).await;
    assert_no_session(&app, &app.close(&first).await.unwrap());
    assert_no_session(&app, &app.close(&first).await.unwrap());
    assert!(matches!(app.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(app.close(&second).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_token_is_a_replay_after_grace() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    app.successor(&first).await;
    app.clock.advance(GRACE);
    assert!(matches!(app.close(&first).await, Err(TokenError::TokenNotValid)));
    assert!(app.renewable_tokens(&user).await.is_empty());
    assert_eq!(app.metrics.replays(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_the_closing_token_is_rejected() {
    let app = TestApp::strict().await;
    let first = app.session(&app.user().await).await;
    app.close(&first).await.unwrap();
    assert!(matches!(app.close(&first).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tokens_of_a_closed_family_are_rejected() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let second = app.successor(&first).await;
    let third = app.successor(&second).await;
    app.close(&third).await.unwrap();
    let closed = app.family_of(&third).await;
    for token in [&first, &second] {
        assert!(matches!(app.renew(token).await, Err(TokenError::TokenNotValid)));
        assert!(matches!(app.close(token).await, Err(TokenError::TokenNotValid)));
    }
    assert_eq!(app.family_of(&third).await, closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_outlive_a_closed_family() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let root = app.session(&user).await;
    let tokens = app.renew(&root).await.unwrap();
    let holder = app.caller_of(&tokens);
    let token = change_app_token(&app.tokens, &holder, PORTAL).await;
    let branch = app.successor(&token).await;
    app.close(&tokens.refresh_token.unwrap()).await.unwrap();
    app.renew(&branch).await.unwrap();
}
