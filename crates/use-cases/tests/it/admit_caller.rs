//! Admission: every reason for which a token with a good signature is rejected.

use domain::caller::{Call, Caller};
use domain::ids::{EventId, FamilyId, UserId};
use domain::permission::{Alternative, Requirement, TokenCheck};
use domain::sessions::events;
use use_cases::sessions::InactiveReason;
use use_cases::sessions::TokenError;
use use_cases::tokens::InspectedToken;
use use_cases::{Admission, AdmissionError, AdmitCaller};

use crate::change_app::change_app_token;
use test_support::TestApp;
use test_support::calls::{PORTAL, by_identity_provider, by_token, caller, renew};
use test_support::fixtures::remove_user;

const ANY_CALLER: Requirement = &[Alternative::client(&[]), Alternative::user(&[])];
const BASIC: Requirement = &[Alternative::client(&["CLI-AUTH-BASIC"])];

async fn admit(app: &TestApp, caller: &Caller, check: TokenCheck) -> Result<(), AdmissionError> {
    let admission = Admission {
        requirement: ANY_CALLER,
        check,
    };
    let admit_caller = AdmitCaller::new(&app.stores, app.clock.clone());
    admit_caller.run(caller, admission, None).await
}

/// Asserts that `Checked` rejects the token with this reason, `ByGate` only for a reason of the client, and `TokenOnly`
/// never.
async fn assert_inactive(app: &TestApp, caller: &Caller, expected: InactiveReason) {
    let rejected = admit(app, caller, TokenCheck::Checked).await;
    assert!(
        matches!(rejected, Err(AdmissionError::Inactive(reason)) if reason == expected),
        "{expected:?}: {rejected:?}"
    );
    let is_of_the_client = matches!(
        expected,
        InactiveReason::ClientDisabled | InactiveReason::ClientTokensRevoked
    );
    let by_gate = admit(app, caller, TokenCheck::ByGate).await;
    assert_eq!(by_gate.is_err(), is_of_the_client, "{expected:?}: {by_gate:?}");
    admit(app, caller, TokenCheck::TokenOnly).await.unwrap();
}

async fn assert_active(app: &TestApp, caller: &Caller) {
    admit(app, caller, TokenCheck::Checked).await.unwrap();
}

struct Session {
    holder: Call,
    refresh: String,
}

async fn session(app: &TestApp, user: &UserId) -> Session {
    let tokens = renew(&app.tokens, by_identity_provider(user)).await.unwrap();
    Session {
        holder: app.caller_of(&tokens),
        refresh: tokens.refresh_token.unwrap(),
    }
}

async fn log_out(app: &TestApp, session: &Session) {
    let token = InspectedToken::Other(session.refresh.clone());
    app.tokens.revoke_token.run(&session.holder, &token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_earlier_tokens_for_good() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let before = session(&app, &user).await;
    assert_active(&app, &before.holder).await;
    app.lock(&user).await;
    assert_inactive(&app, &before.holder, InactiveReason::CredentialLocked).await;
    app.unlock(&user).await;
    assert_inactive(&app, &before.holder, InactiveReason::IssuedBeforeLock).await;
    assert_active(&app, &session(&app, &user).await.holder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_of_an_inactive_session_are_inactive() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (closed, revoked) = (session(&app, &user).await, session(&app, &user).await);
    app.close(&closed.refresh).await.unwrap();
    assert_inactive(&app, &closed.holder, InactiveReason::SessionInactive).await;
    log_out(&app, &revoked).await;
    assert_inactive(&app, &revoked.holder, InactiveReason::SessionInactive).await;
    let replayed = session(&app, &user).await;
    let second = app.successor(&replayed.refresh).await;
    app.successor(&second).await;
    app.renew(&replayed.refresh).await.unwrap_err();
    assert_inactive(&app, &replayed.holder, InactiveReason::SessionInactive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_ancestor_ends_the_tokens_of_its_branches() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let root = session(&app, &user).await;
    let mut chain = Vec::new();
    let mut holder = root.holder.clone();
    for _ in 0..3 {
        let token = change_app_token(&app.tokens, &holder, PORTAL).await;
        let tokens = renew(&app.tokens, by_token(&token, true)).await.unwrap();
        holder = app.caller_of(&tokens);
        chain.push(Session {
            holder: holder.clone(),
            refresh: tokens.refresh_token.unwrap(),
        });
    }
    let [first, second, third] = &chain[..] else {
        unreachable!("three branches were made");
    };
    log_out(&app, second).await;
    assert_active(&app, &first.holder).await;
    assert_inactive(&app, &third.holder, InactiveReason::AncestorRevoked).await;
    log_out(&app, &root).await;
    assert_inactive(&app, &first.holder, InactiveReason::AncestorRevoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_ancestor_counts_as_revoked() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let root = session(&app, &user).await;
    let mut orphan = app.family_of(&root.refresh).await;
    orphan.id = FamilyId::parse("orphan").unwrap();
    orphan.origin.ancestors = vec![FamilyId::parse("purged").unwrap()];
    let event = root.holder.event(EventId("orphan".to_owned()), orphan.rotated_at);
    let started = events::start_event(event, &orphan);
    assert!(app.stores.refresh_families.start(&orphan, started).await.unwrap());
    let mut holder = Caller::clone(&root.holder);
    holder.user.as_mut().unwrap().session = Some(orphan.id.clone());
    assert_inactive(&app, &holder, InactiveReason::AncestorRevoked).await;
    let rejected = app
        .renew(&app.refresh_token_codec.encode(&orphan.current_token()))
        .await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_user_ends_the_tokens() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let held = session(&app, &user).await;
    remove_user(&app.stores, &user).await;
    assert_inactive(&app, &held.holder, InactiveReason::UserRemoved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_a_client_or_raising_its_epoch_ends_its_tokens() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let held = session(&app, &user).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_active(&app, caller).await;
    }
    app.change_client(PORTAL, domain::client::Client::disable).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_inactive(&app, caller, InactiveReason::ClientDisabled).await;
    }
    app.change_client(PORTAL, |portal| portal.is_enabled = true).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_inactive(&app, caller, InactiveReason::ClientTokensRevoked).await;
    }
    // The sessions stay active: the client must log in again, but its users need not.
    let renewed = app.renew(&held.refresh).await.unwrap();
    assert_active(&app, &app.caller_of(&renewed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_roles_are_rejected_without_a_read() {
    let app = TestApp::new().await;
    let admission = Admission {
        requirement: BASIC,
        check: TokenCheck::Checked,
    };
    let admit_caller = AdmitCaller::new(&app.stores, app.clock.clone());
    let rejected = admit_caller.run(&caller("unknown"), admission, None).await;
    assert!(matches!(rejected, Err(AdmissionError::NotPermitted(_))), "{rejected:?}");
}
