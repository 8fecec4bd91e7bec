//! Logout: a token names its session, and the session ends with its branches.

use std::sync::Arc;

use domain::caller::{Call, Caller};
use domain::event::{Event, EventKind, EventValue};
use domain::ids::UserId;
use domain::tokens::{FamilyStatus, RefreshFamily, RevocationReason};
use use_cases::tokens::{InspectedToken, RevokeTokenError, TokenError};

use crate::change_app::{change_app, changed};
use crate::introspect_token::access;
use crate::test_app::fault_injection::{FailsOnce, FaultInjector, Meanwhile, Outage};
use crate::test_app::{GRACE, PORTAL, TestApp, by_identity_provider, by_token, call, caller, client, renew, renew_as};

const LOGGED_OUT: FamilyStatus = FamilyStatus::Revoked(RevocationReason::Logout);

fn text(token: &str) -> InspectedToken {
    InspectedToken::Other(token.to_owned())
}

async fn revoke(app: &TestApp, caller: &Call, token: &InspectedToken) -> Result<(), RevokeTokenError> {
    app.tokens.revoke_token.run(caller, token).await
}

/// A session: who holds it, its access token and its current refresh token.
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

/// A session made from another.
async fn branch(app: &TestApp, trunk: &Session) -> Session {
    let token = changed(&app.tokens, &trunk.holder, PORTAL).await;
    let tokens = app.renew(&token).await.unwrap();
    Session {
        holder: app.caller_of(&tokens),
        access: access(app, &tokens),
        refresh: tokens.refresh_token.unwrap(),
    }
}

async fn revocations(app: &TestApp, family: &RefreshFamily) -> Vec<Event> {
    let mut events = app.events_of(&family.origin.user).await;
    events.retain(|event| event.kind == EventKind::SessionRevoked && event.subject == family.id.as_str());
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_any_generation_ends_its_session_and_that_is_told_once() {
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
            panic!("not told once");
        };
        let reason = ("reason".to_owned(), EventValue::Text("logout".to_owned()));
        assert!(revoked.data.contains(&reason), "{revoked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_ends_the_session_it_belongs_to() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = session(&app, &user).await;
    revoke(&app, &session.holder, &session.access).await.unwrap();
    assert_eq!(app.family_of(&session.refresh).await.status, LOGGED_OUT);
    revoke(&app, &session.holder, &session.access).await.unwrap();
    let branched = renew_as(&app.tokens, &session.holder, by_identity_provider(&user)).await;
    assert!(matches!(branched, Err(TokenError::TokenNotValid)), "{branched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_without_a_session_cannot_be_revoked() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = session(&app, &user).await;
    let token = app.validation_token(&user).await;
    let forgotten = access(&app, &app.forget(&token).await.unwrap());
    let refused = revoke(&app, &session.holder, &forgotten).await;
    assert!(matches!(refused, Err(RevokeTokenError::NotRevocable)), "{refused:?}");
    assert_eq!(app.family_of(&session.refresh).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_ours_is_as_the_caller_wants_it() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = session(&app, &user).await;
    let family = app.family_of(&session.refresh).await;
    let another_mac = session.refresh.replacen(".1.", ".2.", 1);
    let validation = changed(&app.tokens, &session.holder, PORTAL).await;
    for token in ["x", "rt_", "rt_a.1.b.c.d", &another_mac, &validation] {
        revoke(&app, &session.holder, &text(token)).await.unwrap();
    }
    let mut unknown = family.current_token();
    unknown.family = domain::ids::FamilyId::parse("unknown").unwrap();
    let unknown = app.refresh_token_codec.encode(&unknown);
    revoke(&app, &session.holder, &text(&unknown)).await.unwrap();
    assert_eq!(app.family_of(&session.refresh).await, family);
    // Nor was the validation token used up.
    app.renew(&validation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_ends_the_session_of_another_user_or_client() {
    let app = TestApp::new().await;
    let (ana, bia) = (app.user().await, app.user().await);
    let (anas, bias) = (session(&app, &ana).await, session(&app, &bia).await);
    let family = app.family_of(&bias.refresh).await;
    app.stores.clients.create(&client("other")).await.unwrap();
    let elsewhere = call(Caller {
        client: crate::test_app::client_id("other"),
        ..Caller::clone(&bias.holder)
    });
    for stranger in [&anas.holder, &elsewhere, &caller("other")] {
        for token in [text(&bias.refresh), bias.access.clone()] {
            revoke(&app, stranger, &token).await.unwrap();
        }
    }
    let bias_forgotten = app.validation_token(&bia).await;
    let bias_forgotten = access(&app, &app.forget(&bias_forgotten).await.unwrap());
    revoke(&app, &anas.holder, &bias_forgotten).await.unwrap();
    assert_eq!(app.family_of(&bias.refresh).await, family);
    assert!(revocations(&app, &family).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branches_of_a_session_end_with_it_and_a_branch_ends_with_its_own_alone() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let trunk = session(&app, &user).await;
    let (one, other) = (branch(&app, &trunk).await, branch(&app, &trunk).await);
    let twig = branch(&app, &one).await;
    revoke(&app, &one.holder, &text(&one.refresh)).await.unwrap();
    app.renew(&other.refresh).await.unwrap();
    app.renew(&trunk.refresh).await.unwrap();
    let refused = app.renew(&twig.refresh).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    revoke(&app, &trunk.holder, &trunk.access).await.unwrap();
    let with_an_ancestor = FamilyStatus::Revoked(RevocationReason::Ancestor);
    for (branch, status) in [
        (&one, LOGGED_OUT),
        (&other, with_an_ancestor),
        (&twig, with_an_ancestor),
    ] {
        let refused = app.renew(&branch.refresh).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
        assert_eq!(app.family_of(&branch.refresh).await.status, status);
        let refused = change_app(&app.tokens, &branch.holder, PORTAL).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    }
    assert!(app.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_of_a_closed_session_ends_the_branches_that_lived_on() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let trunk = session(&app, &user).await;
    let branched = branch(&app, &trunk).await;
    app.forget(&trunk.refresh).await.unwrap();
    let renewed = app.successor(&branched.refresh).await;
    for _ in 0..2 {
        revoke(&app, &branched.holder, &text(&trunk.refresh)).await.unwrap();
    }
    let family = app.family_of(&trunk.refresh).await;
    assert_eq!(family.status, LOGGED_OUT);
    assert_eq!(revocations(&app, &family).await.len(), 1);
    assert!(matches!(app.renew(&renewed).await, Err(TokenError::TokenNotValid)));
    // Nor does the token that closed it get another access token.
    assert!(matches!(
        app.forget(&trunk.refresh).await,
        Err(TokenError::TokenNotValid)
    ));
    assert!(app.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_of_a_closed_branch_ends_its_own_branches_and_leaves_its_parent() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let trunk = session(&app, &user).await;
    let branched = branch(&app, &trunk).await;
    let twig = branch(&app, &branched).await;
    app.forget(&branched.refresh).await.unwrap();
    let twigs = app.successor(&twig.refresh).await;
    revoke(&app, &branched.holder, &text(&branched.refresh)).await.unwrap();
    let family = app.family_of(&branched.refresh).await;
    assert_eq!(family.status, LOGGED_OUT);
    assert_eq!(revocations(&app, &family).await.len(), 1);
    assert!(matches!(app.renew(&twigs).await, Err(TokenError::TokenNotValid)));
    app.renew(&trunk.refresh).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_revoked_for_another_reason_keeps_it() {
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
async fn a_logout_in_the_middle_of_a_renewal_leaves_nothing_alive() {
    for (write, remember) in [("families.rotate", true), ("families.close", false)] {
        let app = Arc::new(TestApp::new().await);
        let user = app.user().await;
        let Session { holder, refresh, .. } = session(&app, &user).await;
        let (elsewhere, token) = (app.clone(), text(&refresh));
        let overtaken = app.with_faults(&Meanwhile::before(write, move || async move {
            revoke(&elsewhere, &holder, &token).await.unwrap();
        }));
        let refused = renew(&overtaken, by_token(&refresh, remember)).await;
        assert!(
            matches!(refused, Err(TokenError::TokenNotValid)),
            "{write}: {refused:?}"
        );
        assert_eq!(app.family_of(&refresh).await.status, LOGGED_OUT);
        assert!(app.renewable_tokens(&user).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_closed_in_the_middle_of_its_logout_ends() {
    for is_branch in [false, true] {
        let app = Arc::new(TestApp::on_sqlite(GRACE).await);
        let user = app.user().await;
        let trunk = session(&app, &user).await;
        let session = if is_branch { branch(&app, &trunk).await } else { trunk };
        let (elsewhere, token) = (app.clone(), session.refresh.clone());
        let overtaken = app.with_faults(&Meanwhile::before("families.revoke", move || async move {
            elsewhere.forget(&token).await.unwrap();
        }));
        let token = text(&session.refresh);
        overtaken.revoke_token.run(&session.holder, &token).await.unwrap();
        assert_eq!(app.family_of(&session.refresh).await.status, LOGGED_OUT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_fails_it_says_so_and_a_retry_ends_the_session() {
    for outage in [Outage::Away, Outage::AnswerLost] {
        let app = TestApp::new().await;
        let mut number = 0;
        loop {
            let session = session(&app, &app.user().await).await;
            let fault = Arc::new(FailsOnce::at(number, outage));
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
