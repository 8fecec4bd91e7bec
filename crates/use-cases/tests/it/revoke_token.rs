//! Logout: revokes the session of a token, and its branches.

use std::sync::Arc;

use domain::caller::{Call, Caller};
use domain::event::{Event, EventValue};
use domain::ids::UserId;
use domain::sessions::events::SESSION_REVOKED;
use domain::sessions::{FamilyStatus, RefreshFamily, RevocationReason};
use use_cases::sessions::TokenError;
use use_cases::tokens::{InspectedToken, RevokeTokenError};

use crate::change_app::{change_app, change_app_token};
use crate::introspect_token::access;
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{PORTAL, by_identity_provider, by_token, call, caller, client, renew, renew_as};
use test_support::fault_injection::{FailNthCall, FaultInjector, Interleave, Outage};

const LOGGED_OUT: FamilyStatus = FamilyStatus::Revoked(RevocationReason::Logout);

fn text(token: &str) -> InspectedToken {
    InspectedToken::Other(token.to_owned())
}

async fn revoke(app: &TestApp, caller: &Call, token: &InspectedToken) -> Result<(), RevokeTokenError> {
    app.tokens.revoke_token.run(caller, token).await
}

/// A session: its holder, its access token and its current refresh token.
struct Session {
    holder: Call,
    access: InspectedToken,
    refresh: String,
}

async fn session(app: &TestApp, user: &UserId) -> Session {
    let tokens = renew(&app.tokens, by_identity_provider(user)).await.unwrap();
    Session {
        holder: app.caller_of(&tokens),
        access: access(app, &tokens),
        refresh: tokens.refresh_token.unwrap(),
    }
}

/// Starts a branch of a session.
async fn branch(app: &TestApp, parent: &Session) -> Session {
    let token = change_app_token(&app.tokens, &parent.holder, PORTAL).await;
    let tokens = app.renew(&token).await.unwrap();
    Session {
        holder: app.caller_of(&tokens),
        access: access(app, &tokens),
        refresh: tokens.refresh_token.unwrap(),
    }
}

async fn revocations(app: &TestApp, family: &RefreshFamily) -> Vec<Event> {
    let mut events = app.events_of(&family.origin.user).await;
    events.retain(|event| event.kind == SESSION_REVOKED && event.subject == family.id.as_str());
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn any_refresh_token_revokes_its_session_with_one_event() {
    for generation in 0..3 {
        let app = TestApp::new().await;
        let user = app.user().await;
        let Session { holder, refresh, .. } = session(&app, &user).await;
        let second = app.successor(&refresh).await;
        let third = app.successor(&second).await;
        let tokens = [refresh, second, third];
        for _ in 0..2 {
            revoke(&app, &holder, &text(&tokens[generation])).await.unwrap();
        }
        let family = app.family_of(&tokens[2]).await;
        assert_eq!((family.status, family.generation), (LOGGED_OUT, 3));
        for token in &tokens {
            assert!(matches!(app.renew(token).await, Err(TokenError::TokenNotValid)));
        }
        assert_eq!(app.metrics.replays(), 0);
        let [revoked] = &revocations(&app, &family).await[..] else {
            panic!("not one event");
        };
        let reason = ("reason".to_owned(), EventValue::Text("logout".to_owned()));
        assert!(revoked.data.contains(&reason), "{revoked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_revokes_its_session() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = session(&app, &user).await;
    revoke(&app, &session.holder, &session.access).await.unwrap();
    assert_eq!(app.family_of(&session.refresh).await.status, LOGGED_OUT);
    revoke(&app, &session.holder, &session.access).await.unwrap();
    let child = renew_as(&app.tokens, &session.holder, by_identity_provider(&user)).await;
    assert!(matches!(child, Err(TokenError::TokenNotValid)), "{child:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_without_a_session_cannot_be_revoked() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = session(&app, &user).await;
    let token = app.validation_token(&user).await;
    let closed = access(&app, &app.close(&token).await.unwrap());
    let rejected = revoke(&app, &session.holder, &closed).await;
    assert!(matches!(rejected, Err(RevokeTokenError::NotRevocable)), "{rejected:?}");
    assert_eq!(app.family_of(&session.refresh).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_an_unknown_token_changes_nothing() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = session(&app, &user).await;
    let family = app.family_of(&session.refresh).await;
    let another_mac = session.refresh.replacen(".1.", ".2.", 1);
    let validation = change_app_token(&app.tokens, &session.holder, PORTAL).await;
    for token in ["x", "rt_", "rt_a.1.b.c.d", &another_mac, &validation] {
        revoke(&app, &session.holder, &text(token)).await.unwrap();
    }
    let mut unknown = family.current_token();
    unknown.family = domain::ids::FamilyId::parse("unknown").unwrap();
    let unknown = app.refresh_token_codec.encode(&unknown);
    revoke(&app, &session.holder, &text(&unknown)).await.unwrap();
    assert_eq!(app.family_of(&session.refresh).await, family);
    // The validation token was not consumed either.
    app.renew(&validation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_other_users_and_clients_are_ignored() {
    let app = TestApp::new().await;
    let (ana, bia) = (app.user().await, app.user().await);
    let (anas, bias) = (session(&app, &ana).await, session(&app, &bia).await);
    let family = app.family_of(&bias.refresh).await;
    app.stores.clients.create(&client("other")).await.unwrap();
    let other_client = call(Caller {
        client: test_support::fixtures::client_id("other"),
        ..Caller::clone(&bias.holder)
    });
    for other_caller in [&anas.holder, &other_client, &caller("other")] {
        for token in [text(&bias.refresh), bias.access.clone()] {
            revoke(&app, other_caller, &token).await.unwrap();
        }
    }
    let bias_forgotten = app.validation_token(&bia).await;
    let bias_forgotten = access(&app, &app.close(&bias_forgotten).await.unwrap());
    revoke(&app, &anas.holder, &bias_forgotten).await.unwrap();
    assert_eq!(app.family_of(&bias.refresh).await, family);
    assert!(revocations(&app, &family).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_ends_its_branches_only() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let parent = session(&app, &user).await;
    let (one, other) = (branch(&app, &parent).await, branch(&app, &parent).await);
    let grandchild = branch(&app, &one).await;
    revoke(&app, &one.holder, &text(&one.refresh)).await.unwrap();
    app.renew(&other.refresh).await.unwrap();
    app.renew(&parent.refresh).await.unwrap();
    let rejected = app.renew(&grandchild.refresh).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
    revoke(&app, &parent.holder, &parent.access).await.unwrap();
    let with_an_ancestor = FamilyStatus::Revoked(RevocationReason::Ancestor);
    for (branch, status) in [
        (&one, LOGGED_OUT),
        (&other, with_an_ancestor),
        (&grandchild, with_an_ancestor),
    ] {
        let rejected = app.renew(&branch.refresh).await;
        assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
        assert_eq!(app.family_of(&branch.refresh).await.status, status);
        let rejected = change_app(&app.tokens, &branch.holder, PORTAL).await;
        assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
    }
    assert!(app.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_of_a_closed_session_ends_its_branches() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let parent = session(&app, &user).await;
    let child = branch(&app, &parent).await;
    app.close(&parent.refresh).await.unwrap();
    let renewed = app.successor(&child.refresh).await;
    for _ in 0..2 {
        revoke(&app, &child.holder, &text(&parent.refresh)).await.unwrap();
    }
    let family = app.family_of(&parent.refresh).await;
    assert_eq!(family.status, LOGGED_OUT);
    assert_eq!(revocations(&app, &family).await.len(), 1);
    assert!(matches!(app.renew(&renewed).await, Err(TokenError::TokenNotValid)));
    // The token that closed the session gets no further access token.
    assert!(matches!(
        app.close(&parent.refresh).await,
        Err(TokenError::TokenNotValid)
    ));
    assert!(app.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_of_a_closed_branch_keeps_its_parent() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let parent = session(&app, &user).await;
    let child = branch(&app, &parent).await;
    let grandchild = branch(&app, &child).await;
    app.close(&child.refresh).await.unwrap();
    let grandchild_token = app.successor(&grandchild.refresh).await;
    revoke(&app, &child.holder, &text(&child.refresh)).await.unwrap();
    let family = app.family_of(&child.refresh).await;
    assert_eq!(family.status, LOGGED_OUT);
    assert_eq!(revocations(&app, &family).await.len(), 1);
    assert!(matches!(
        app.renew(&grandchild_token).await,
        Err(TokenError::TokenNotValid)
    ));
    app.renew(&parent.refresh).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_keeps_its_first_reason() {
    let app = TestApp::strict().await;
    let user = app.user().await;
    let session = session(&app, &user).await;
    app.successor(&session.refresh).await;
    assert!(app.renew(&session.refresh).await.is_err());
    revoke(&app, &session.holder, &text(&session.refresh)).await.unwrap();
    let family = app.family_of(&session.refresh).await;
    assert_eq!(family.status, FamilyStatus::Revoked(RevocationReason::Replay));
    assert_eq!(revocations(&app, &family).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_during_a_renewal_ends_the_session() {
    for (write, remember) in [("families.rotate", true), ("families.close", false)] {
        let app = Arc::new(TestApp::new().await);
        let user = app.user().await;
        let Session { holder, refresh, .. } = session(&app, &user).await;
        let (concurrent, token) = (app.clone(), text(&refresh));
        let interleaved = app.with_faults(&Interleave::before(write, move || async move {
            revoke(&concurrent, &holder, &token).await.unwrap();
        }));
        let rejected = renew(&interleaved, by_token(&refresh, remember)).await;
        assert!(
            matches!(rejected, Err(TokenError::TokenNotValid)),
            "{write}: {rejected:?}"
        );
        assert_eq!(app.family_of(&refresh).await.status, LOGGED_OUT);
        assert!(app.renewable_tokens(&user).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_closed_during_its_logout_is_revoked() {
    for is_branch in [false, true] {
        let app = Arc::new(TestApp::on_sqlite(GRACE).await);
        let user = app.user().await;
        let parent = session(&app, &user).await;
        let session = if is_branch { branch(&app, &parent).await } else { parent };
        let (concurrent, token) = (app.clone(), session.refresh.clone());
        let interleaved = app.with_faults(&Interleave::before("families.revoke", move || async move {
            concurrent.close(&token).await.unwrap();
        }));
        let token = text(&session.refresh);
        interleaved.revoke_token.run(&session.holder, &token).await.unwrap();
        assert_eq!(app.family_of(&session.refresh).await.status, LOGGED_OUT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_survives_each_store_failure() {
    for outage in [Outage::Unreachable, Outage::AnswerLost] {
        let app = TestApp::new().await;
        let mut number = 0;
        loop {
            let session = session(&app, &app.user().await).await;
            let fault = Arc::new(FailNthCall::new(number, outage));
            let injector: Arc<dyn FaultInjector> = fault.clone();
            let tokens = app.with_faults(&injector);
            let answer = tokens.revoke_token.run(&session.holder, &text(&session.refresh)).await;
            if !fault.has_failed() {
                break;
            }
            assert!(
                matches!(answer, Err(RevokeTokenError::Failed(_))),
                "call {number} {outage:?}: {answer:?}"
            );
            revoke(&app, &session.holder, &text(&session.refresh)).await.unwrap();
            assert_eq!(app.family_of(&session.refresh).await.status, LOGGED_OUT);
            number += 1;
        }
        assert_eq!(number, 2, "the calls of a logout");
    }
}
