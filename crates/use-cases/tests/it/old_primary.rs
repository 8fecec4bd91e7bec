//! Reads that are behind acknowledged writes: right after a failover, or on an old primary that was cut off.

use std::sync::Arc;
use use_cases::sessions::SessionSettings;

use domain::sessions::{FamilyStatus, RevocationReason};
use use_cases::sessions::TokenError;
use use_cases::tokens::InspectedToken;

use crate::change_app::{change_app, change_app_token};
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{PORTAL, by_identity_provider, by_token, caller, renew};
use test_support::fault_injection::{FaultInjector, Interleave, RecordedCalls, with_faults};
use test_support::stale_reads::{with_stale_reads, with_stale_reads_after_writes};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_close_checks_the_lock_linearizably() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    app.close(&first).await.unwrap();
    app.lock(&user).await;
    let tokens = app.with_stores(&with_stale_reads_after_writes(&app.stores));
    let rejected = renew(&tokens, by_token(&first, false)).await;
    assert!(matches!(rejected, Err(TokenError::CredentialLocked)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmatched_rotation_checks_the_lock_linearizably() {
    let app = Arc::new(TestApp::new().await);
    let user = app.user().await;
    let first = app.session(&user).await;
    let (concurrent, token, owner) = (app.clone(), first.clone(), user.clone());
    let interleave = Interleave::before("families.rotate", move || async move {
        concurrent.successor(&token).await;
        concurrent.lock(&owner).await;
    });
    let ports = with_faults(&with_stale_reads_after_writes(&app.stores), &interleave);
    let rejected = renew(&app.with_stores(&ports), by_token(&first, true)).await;
    assert!(matches!(rejected, Err(TokenError::CredentialLocked)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_write_effect_decides_the_read_consistency() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    for expected in ["lock_statuses.read_after_write", "lock_statuses.read_linearizable"] {
        let calls = Arc::new(RecordedCalls::default());
        let injector: Arc<dyn FaultInjector> = calls.clone();
        renew(&app.with_faults(&injector), by_token(&first, false))
            .await
            .unwrap();
        let names = calls.names();
        let after_write = names.iter().skip_while(|call| **call != "families.close").nth(1);
        assert_eq!(after_write, Some(&expected), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_revokes_a_session_missing_from_stale_reads() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let tokens = app.with_stores(&with_stale_reads(&app.stores, None));
    let token = InspectedToken::Other(first.clone());
    tokens.revoke_token.run(&caller(PORTAL), &token).await.unwrap();
    let status = app.family_of(&first).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Logout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_missing_from_stale_reads_is_renewed() {
    for remember in [true, false] {
        let app = TestApp::new().await;
        let first = app.session(&app.user().await).await;
        let tokens = app.with_stores(&with_stale_reads(&app.stores, None));
        renew(&tokens, by_token(&first, remember)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_missing_from_stale_reads_is_renewed() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let past = app.family_of(&first).await;
    let second = app.successor(&first).await;
    let tokens = app.with_stores(&with_stale_reads(&app.stores, Some(&past)));
    renew(&tokens, by_token(&second, true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_expired_only_in_stale_reads_is_renewed() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    let first = tokens.refresh_token.unwrap();
    let past = app.family_of(&first).await;
    let idle = SessionSettings::default().refresh_idle_lifetime;
    app.clock.advance(idle - GRACE / 2);
    app.successor(&first).await;
    app.clock.advance(GRACE / 2);
    let tokens = app.with_stores(&with_stale_reads(&app.stores, Some(&past)));
    // Returns the same successor: the token is superseded, inside the grace time.
    renew(&tokens, by_token(&first, true)).await.unwrap();
    change_app(&tokens, &holder, PORTAL).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_missing_from_stale_reads_can_be_branched() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    change_app(&app.with_stores(&with_stale_reads(&app.stores, None)), &holder, PORTAL)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_missing_from_stale_reads_works() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    let by_change_app = change_app_token(&app.tokens, &holder, PORTAL).await;
    let by_saml_login = app.validation_token(&user).await;
    for token in [by_change_app, by_saml_login] {
        let tokens = app.with_stores(&with_stale_reads(&app.stores, None));
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }
}

/// Renews and revokes a token, and counts the linearizable reads of families.
async fn linearizable_family_reads(app: &TestApp, token: &str) -> usize {
    let calls = Arc::new(RecordedCalls::default());
    let injector: Arc<dyn FaultInjector> = calls.clone();
    let tokens = app.with_faults(&injector);
    let _ = renew(&tokens, by_token(token, true)).await;
    let token = InspectedToken::Other(token.to_owned());
    let _ = tokens.revoke_token.run(&caller(PORTAL), &token).await;
    calls
        .names()
        .iter()
        .filter(|call| **call == "families.read_linearizable")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn inactive_sessions_and_forged_tokens_cause_no_linearizable_read() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (revoked, closed) = (app.session(&user).await, app.session(&user).await);
    let token = InspectedToken::Other(revoked.clone());
    app.tokens.revoke_token.run(&caller(PORTAL), &token).await.unwrap();
    app.close(&closed).await.unwrap();
    let (forged, _) = revoked.split_at(revoked.len() - 4);
    for token in [&revoked, &closed, &format!("{forged}AAAA"), "rt_", ""] {
        assert_eq!(linearizable_family_reads(&app, token).await, 0, "{token}");
    }
}
