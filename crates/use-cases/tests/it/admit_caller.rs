//! Who is let through: every reason for which a token that verifies is refused all the same.

use domain::caller::{Call, Caller};
use domain::ids::{EventId, FamilyId, UserId};
use domain::permission::{Alternative, Requirement, TokenCheck};
use domain::tokens::events;
use use_cases::tokens::{InspectedToken, TokenError};
use use_cases::{Admission, AdmissionError, AdmitCaller, InactiveReason};

use crate::change_app::changed;
use crate::test_app::{PORTAL, TestApp, by_identity_provider, by_token, caller, renew};

const ANYBODY: Requirement = &[Alternative::client(&[]), Alternative::user(&[])];
const BASIC: Requirement = &[Alternative::client(&["CLI-AUTH-BASIC"])];

async fn admit(app: &TestApp, caller: &Caller, check: TokenCheck) -> Result<(), AdmissionError> {
    let admission = Admission {
        requirement: ANYBODY,
        check,
    };
    let admit_caller = AdmitCaller::new((&app.ports).into(), app.ports.groups.clone());
    admit_caller.run(caller, admission, None).await
}

/// Refused by a route that asks whether the token is alive, by one that mints only for what its client did, and by one that
/// asks for the signature alone never.
async fn assert_dead(app: &TestApp, caller: &Caller, expected: InactiveReason) {
    let refused = admit(app, caller, TokenCheck::Checked).await;
    assert!(
        matches!(refused, Err(AdmissionError::Inactive(reason)) if reason == expected),
        "{expected:?}: {refused:?}"
    );
    let is_of_the_client = matches!(expected, InactiveReason::ClientDisabled | InactiveReason::ClientEpoch);
    let by_gate = admit(app, caller, TokenCheck::ByGate).await;
    assert_eq!(by_gate.is_err(), is_of_the_client, "{expected:?}: {by_gate:?}");
    admit(app, caller, TokenCheck::TokenOnly).await.unwrap();
}

async fn assert_alive(app: &TestApp, caller: &Caller) {
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
async fn a_lock_ends_the_tokens_before_it_and_an_unlock_revives_none() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let before = session(&app, &user).await;
    assert_alive(&app, &before.holder).await;
    app.lock(&user).await;
    assert_dead(&app, &before.holder, InactiveReason::CredentialLocked).await;
    app.unlock(&user).await;
    assert_dead(&app, &before.holder, InactiveReason::CredentialEpoch).await;
    assert_alive(&app, &session(&app, &user).await.holder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_ends_its_access_tokens() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (closed, revoked) = (session(&app, &user).await, session(&app, &user).await);
    app.forget(&closed.refresh).await.unwrap();
    assert_dead(&app, &closed.holder, InactiveReason::SessionEnded).await;
    log_out(&app, &revoked).await;
    assert_dead(&app, &revoked.holder, InactiveReason::SessionEnded).await;
    let replayed = session(&app, &user).await;
    let second = app.successor(&replayed.refresh).await;
    app.successor(&second).await;
    app.renew(&replayed.refresh).await.unwrap_err();
    assert_dead(&app, &replayed.holder, InactiveReason::SessionEnded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_ancestor_ends_the_tokens_of_every_branch_below_it() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let trunk = session(&app, &user).await;
    let mut chain = Vec::new();
    let mut holder = trunk.holder.clone();
    for _ in 0..3 {
        let token = changed(&app.tokens, &holder, PORTAL).await;
        let tokens = renew(&app.tokens, by_token(&token, true)).await.unwrap();
        holder = app.caller_of(&tokens);
        chain.push(Session {
            holder: holder.clone(),
            refresh: tokens.refresh_token.unwrap(),
        });
    }
    let [first, second, third] = &chain[..] else {
        unreachable!("three were made");
    };
    log_out(&app, second).await;
    assert_alive(&app, &first.holder).await;
    assert_dead(&app, &third.holder, InactiveReason::AncestorRevoked).await;
    log_out(&app, &trunk).await;
    assert_dead(&app, &first.holder, InactiveReason::AncestorRevoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ancestor_that_was_purged_counts_as_revoked() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let trunk = session(&app, &user).await;
    let mut orphan = app.family_of(&trunk.refresh).await;
    orphan.id = FamilyId::parse("orphan").unwrap();
    orphan.origin.ancestors = vec![FamilyId::parse("purged").unwrap()];
    let event = trunk.holder.event(EventId("orphan".to_owned()), orphan.rotated_at);
    let started = events::started(event, &orphan);
    assert!(app.stores.refresh_families.start(&orphan, started).await.unwrap());
    let mut holder = Caller::clone(&trunk.holder);
    holder.user.as_mut().unwrap().session = Some(orphan.id.clone());
    assert_dead(&app, &holder, InactiveReason::AncestorRevoked).await;
    let refused = app
        .renew(&app.refresh_token_codec.encode(&orphan.current_token()))
        .await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_ends_the_tokens() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let held = session(&app, &user).await;
    app.stores.identities.remove(&user).await.unwrap();
    assert_dead(&app, &held.holder, InactiveReason::UserRemoved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_disabled_or_changes_its_epoch_ends_its_tokens() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let held = session(&app, &user).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_alive(&app, caller).await;
    }
    app.change_client(PORTAL, domain::client::Client::disable).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_dead(&app, caller, InactiveReason::ClientDisabled).await;
    }
    app.change_client(PORTAL, |portal| portal.is_enabled = true).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_dead(&app, caller, InactiveReason::ClientEpoch).await;
    }
    // Its sessions live on: it has to log in again, its users need not.
    let renewed = app.renew(&held.refresh).await.unwrap();
    assert_alive(&app, &app.caller_of(&renewed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_do_not_suffice_are_told_before_anything_is_read() {
    let app = TestApp::new().await;
    let admission = Admission {
        requirement: BASIC,
        check: TokenCheck::Checked,
    };
    let admit_caller = AdmitCaller::new((&app.ports).into(), app.ports.groups.clone());
    let refused = admit_caller.run(&caller("nobody"), admission, None).await;
    assert!(matches!(refused, Err(AdmissionError::NotPermitted(_))), "{refused:?}");
}
