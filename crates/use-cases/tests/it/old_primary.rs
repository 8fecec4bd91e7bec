//! A store whose reads are behind what was acknowledged: right after a failover, or on an old primary that has been cut off.

use std::sync::Arc;

use domain::tokens::{FamilyStatus, RevocationReason};
use use_cases::tokens::{InspectedToken, TokenError, TokensSettings};

use crate::change_app::{change_app, changed};
use crate::test_app::fault_injection::{Calls, FaultInjector, Meanwhile, with_faults};
use crate::test_app::stale_reads::{behind, with_stale_reads_after_writes};
use crate::test_app::{GRACE, PORTAL, TestApp, by_identity_provider, by_token, caller, renew};

#[tokio::test(flavor = "multi_thread")]
async fn closing_once_more_is_no_write_that_a_lock_is_found_by() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    app.forget(&first).await.unwrap();
    app.lock(&user).await;
    let tokens = app.wired(&with_stale_reads_after_writes(&app.ports));
    let refused = renew(&tokens, by_token(&first, false)).await;
    assert!(matches!(refused, Err(TokenError::CredentialLocked)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_overtaken_is_no_write_that_a_lock_is_found_by() {
    let app = Arc::new(TestApp::new().await);
    let user = app.user().await;
    let first = app.session(&user).await;
    let (elsewhere, token, owner) = (app.clone(), first.clone(), user.clone());
    let meanwhile = Meanwhile::before("families.rotate", move || async move {
        elsewhere.successor(&token).await;
        elsewhere.lock(&owner).await;
    });
    let ports = with_faults(&with_stale_reads_after_writes(&app.ports), &meanwhile);
    let refused = renew(&app.wired(&ports), by_token(&first, true)).await;
    assert!(matches!(refused, Err(TokenError::CredentialLocked)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_matched_is_followed_by_a_look_after_it_and_one_that_did_not_by_a_look_that_stands_alone() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    for look in ["lock_statuses.look_after_write", "lock_statuses.look"] {
        let calls = Arc::new(Calls::default());
        let injector: Arc<dyn FaultInjector> = calls.clone();
        renew(&app.with_faults(&injector), by_token(&first, false))
            .await
            .unwrap();
        let seen = calls.seen();
        let after_write = seen.iter().skip_while(|call| **call != "families.close").nth(1);
        assert_eq!(after_write, Some(&look), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_a_session_that_is_not_found_yet() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let tokens = app.wired(&behind(&app.ports, None));
    let named = InspectedToken::Other(first.clone());
    tokens.revoke_token.run(&caller(PORTAL), &named).await.unwrap();
    let status = app.family_of(&first).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Logout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_found_yet_is_renewed() {
    for remember in [true, false] {
        let app = TestApp::new().await;
        let first = app.session(&app.user().await).await;
        let tokens = app.wired(&behind(&app.ports, None));
        renew(&tokens, by_token(&first, remember)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_generation_that_is_not_found_yet_is_renewed() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let past = app.family_of(&first).await;
    let second = app.successor(&first).await;
    let tokens = app.wired(&behind(&app.ports, Some(&past)));
    renew(&tokens, by_token(&second, true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expired_as_read_and_was_renewed_since_is_alive() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    let first = tokens.refresh_token.unwrap();
    let past = app.family_of(&first).await;
    let idle = TokensSettings::default().refresh_idle_lifetime;
    app.clock.advance(idle - GRACE / 2);
    app.successor(&first).await;
    app.clock.advance(GRACE / 2);
    let tokens = app.wired(&behind(&app.ports, Some(&past)));
    // The successor again: the token is superseded, inside the grace time.
    renew(&tokens, by_token(&first, true)).await.unwrap();
    change_app(&tokens, &holder, PORTAL).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_found_yet_makes_branches() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    change_app(&app.wired(&behind(&app.ports, None)), &holder, PORTAL)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_that_is_not_found_yet_works() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    let by_change_app = changed(&app.tokens, &holder, PORTAL).await;
    let by_hand_off = app.validation_token(&user).await;
    for token in [by_change_app, by_hand_off] {
        let tokens = app.wired(&behind(&app.ports, None));
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }
}

/// The looks at families that an attempt makes, however it ends.
async fn looks_at_families(app: &TestApp, token: &str) -> usize {
    let calls = Arc::new(Calls::default());
    let injector: Arc<dyn FaultInjector> = calls.clone();
    let tokens = app.with_faults(&injector);
    let _ = renew(&tokens, by_token(token, true)).await;
    let named = InspectedToken::Other(token.to_owned());
    let _ = tokens.revoke_token.run(&caller(PORTAL), &named).await;
    calls.seen().iter().filter(|call| **call == "families.look").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_and_closed_sessions_are_not_looked_at_again_and_forged_tokens_never() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (revoked, closed) = (app.session(&user).await, app.session(&user).await);
    let named = InspectedToken::Other(revoked.clone());
    app.tokens.revoke_token.run(&caller(PORTAL), &named).await.unwrap();
    app.forget(&closed).await.unwrap();
    let (forged, _) = revoked.split_at(revoked.len() - 4);
    for token in [&revoked, &closed, &format!("{forged}AAAA"), "rt_", ""] {
        assert_eq!(looks_at_families(&app, token).await, 0, "{token}");
    }
}
