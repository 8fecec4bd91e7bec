//! What a user's own token gets by the word of an identity provider: an access token of its session, and no session.

use std::time::Duration;

use domain::caller::Call;
use domain::tokens::{FamilyStatus, RevocationReason};
use use_cases::tokens::{InspectedToken, TokenError};

use crate::test_app::fault_injection::Meanwhile;
use crate::test_app::{TestApp, by_identity_provider, by_token, caller, renew, renew_as};

/// A session, spent once: whoever presents its first token again ends it once two more were made.
struct Held {
    first: String,
    holder: Call,
    current: String,
}

async fn session(app: &TestApp, user: &domain::ids::UserId) -> Held {
    let first = app.session(user).await;
    let second = app.successor(&first).await;
    let tokens = app.renew(&second).await.unwrap();
    Held {
        first,
        holder: app.caller_of(&tokens),
        current: tokens.refresh_token.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_own_token_gets_an_access_token_of_its_session_and_no_refresh_token() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let held = session(&app, &user).await;
    let sessions = app.families(&user).await.len();
    app.clock.advance(Duration::from_mins(1));
    let tokens = renew_as(&app.tokens, &held.holder, by_identity_provider(&user))
        .await
        .unwrap();
    assert_eq!(tokens.refresh_token, None);
    let session_of = |call: &Call| call.user.as_ref().unwrap().session.clone();
    assert_eq!(session_of(&app.caller_of(&tokens)), session_of(&held.holder));
    assert_eq!(app.families(&user).await.len(), sessions, "no session was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_of_a_session_that_ended() {
    for ends in ["closed", "replayed", "logged out"] {
        let app = TestApp::new().await;
        let user = app.user().await;
        let held = session(&app, &user).await;
        match ends {
            "closed" => drop(app.forget(&held.current).await.unwrap()),
            "replayed" => drop(app.renew(&held.first).await.unwrap_err()),
            _ => {
                let token = InspectedToken::Other(held.current.clone());
                app.tokens.revoke_token.run(&held.holder, &token).await.unwrap();
            }
        }
        let refused = renew_as(&app.tokens, &held.holder, by_identity_provider(&user)).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{ends}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_revoked_between_the_first_look_and_the_last_gives_nothing_out() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let held = session(&app, &user).await;
    let (tokens, spent) = (app.tokens.clone(), held.first.clone());
    let overtaken = app.with_faults(&Meanwhile::before("groups.find", move || async move {
        let replayed = renew(&tokens, by_token(&spent, true)).await;
        assert!(matches!(replayed, Err(TokenError::TokenNotValid)));
    }));
    let mut identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    identity.groups = vec!["staff".to_owned()];
    app.stores.identities.replace(&identity).await.unwrap();
    let before = app.signer.signatures();
    let refused = renew_as(&overtaken, &held.holder, by_identity_provider(&user)).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    assert_eq!(app.signer.signatures(), before);
    let status = app.family_of(&held.current).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Replay));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_speaks_for_its_own_user_and_client_only() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    let held = session(&app, &user).await;
    let refused = renew_as(&app.tokens, &held.holder, by_identity_provider(&other)).await;
    assert!(matches!(refused, Err(TokenError::NotPermitted)));
    let refused = renew_as(&app.tokens, &caller("saml"), by_identity_provider(&user)).await;
    assert!(matches!(refused, Err(TokenError::NotPermitted)));
}
