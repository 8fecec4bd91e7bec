//! Renewal of a user's own token after an identity provider login: an access token of its session, and no new session.

use std::time::Duration;

use domain::caller::Call;
use domain::sessions::{FamilyStatus, RevocationReason};
use use_cases::sessions::TokenError;
use use_cases::tokens::InspectedToken;

use test_support::TestApp;
use test_support::calls::{by_identity_provider, by_token, caller, renew, renew_as};
use test_support::fault_injection::Interleave;

/// A session that was rotated twice, so that a presentation of its first token is a replay.
struct Session {
    first: String,
    holder: Call,
    current: String,
}

async fn start_session(app: &TestApp, user: &domain::ids::UserId) -> Session {
    let first = app.session(user).await;
    let second = app.successor(&first).await;
    let tokens = app.renew(&second).await.unwrap();
    Session {
        first,
        holder: app.caller_of(&tokens),
        current: tokens.refresh_token.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_token_gets_an_access_token_only() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = start_session(&app, &user).await;
    let sessions = app.families(&user).await.len();
    app.clock.advance(Duration::from_mins(1));
    let tokens = renew_as(&app.tokens, &session.holder, by_identity_provider(&user))
        .await
        .unwrap();
    assert_eq!(tokens.refresh_token, None);
    let session_of = |call: &Call| call.user.as_ref().unwrap().session.clone();
    assert_eq!(session_of(&app.caller_of(&tokens)), session_of(&session.holder));
    assert_eq!(app.families(&user).await.len(), sessions, "no session was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inactive_session_is_rejected() {
    for end in ["closed", "replayed", "logged out"] {
        let app = TestApp::new().await;
        let user = app.user().await;
        let session = start_session(&app, &user).await;
        match end {
            "closed" => drop(app.close(&session.current).await.unwrap()),
            "replayed" => drop(app.renew(&session.first).await.unwrap_err()),
            _ => {
                let token = InspectedToken::Other(session.current.clone());
                app.tokens.revoke_token.run(&session.holder, &token).await.unwrap();
            }
        }
        let rejected = renew_as(&app.tokens, &session.holder, by_identity_provider(&user)).await;
        assert!(
            matches!(rejected, Err(TokenError::TokenNotValid)),
            "{end}: {rejected:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_revoked_between_both_checks_is_rejected() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = start_session(&app, &user).await;
    let (tokens, spent) = (app.tokens.clone(), session.first.clone());
    let interleaved = app.with_faults(&Interleave::before("groups.find", move || async move {
        let replayed = renew(&tokens, by_token(&spent, true)).await;
        assert!(matches!(replayed, Err(TokenError::TokenNotValid)));
    }));
    let mut identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    identity.groups = vec!["staff".to_owned()];
    app.stores.identities.replace(&identity).await.unwrap();
    let before = app.signer.signatures();
    let rejected = renew_as(&interleaved, &session.holder, by_identity_provider(&user)).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
    assert_eq!(app.signer.signatures(), before);
    let status = app.family_of(&session.current).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Replay));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_or_client_is_rejected() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    let session = start_session(&app, &user).await;
    let rejected = renew_as(&app.tokens, &session.holder, by_identity_provider(&other)).await;
    assert!(matches!(rejected, Err(TokenError::NotPermitted)));
    let rejected = renew_as(&app.tokens, &caller("saml"), by_identity_provider(&user)).await;
    assert!(matches!(rejected, Err(TokenError::NotPermitted)));
}
