//! Renewal by validation token: once, by the client that it was issued for.

use std::time::Duration;

use use_cases::sessions::TokenError;
use use_cases::tokens::TokensSettings;

use test_support::TestApp;
use test_support::calls::{by_token, caller, client, renew, renew_as};

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_works_once() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let tokens = renew(&app.tokens, by_token(&token, true)).await.unwrap();
    let again = renew(&app.tokens, by_token(&token, true)).await;
    assert!(matches!(again, Err(TokenError::TokenNotValid)));
    assert_eq!(app.renewable_tokens(&user).await, [tokens.refresh_token.unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_remember_me_no_session_starts() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let tokens = renew(&app.tokens, by_token(&token, false)).await.unwrap();
    assert_eq!(tokens.refresh_token, None);
    assert_eq!(app.caller_of(&tokens).user.as_ref().unwrap().session, None);
    assert!(app.families(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_expires_exactly() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (good, late) = (app.validation_token(&user).await, app.validation_token(&user).await);
    let lifetime = TokensSettings::default().validation_token_lifetime;
    app.clock.advance(lifetime - Duration::from_millis(1));
    renew(&app.tokens, by_token(&good, true)).await.unwrap();
    app.clock.advance(Duration::from_millis(1));
    let rejected = renew(&app.tokens, by_token(&late, true)).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_or_user_spends_no_validation_token() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    app.stores.clients.create(&client("other")).await.unwrap();
    let others = app.session(&other).await;
    let others = app.caller_of(&app.renew(&others).await.unwrap());
    let token = app.validation_token(&user).await;
    for other_caller in [caller("other"), others] {
        let rejected = renew_as(&app.tokens, &other_caller, by_token(&token, true)).await;
        assert!(matches!(rejected, Err(TokenError::TokenNotValid)));
    }
    renew(&app.tokens, by_token(&token, true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_renewal_spends_no_validation_token() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    app.stores.identities.remove(&user).await.unwrap();
    let rejected = renew(&app.tokens, by_token(&token, true)).await;
    assert!(matches!(rejected, Err(TokenError::UserNotFound)));
    app.stores.identities.create(&identity).await.unwrap();
    renew(&app.tokens, by_token(&token, true)).await.unwrap();
}
