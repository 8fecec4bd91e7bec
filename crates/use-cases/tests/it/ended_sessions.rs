//! The end of all sessions of a user: one write, detected after the write of every path.

use std::sync::Arc;

use domain::caller::{Call, Cause};
use domain::event::{EventValue, NewEvent};
use domain::ids::{FamilyId, UserId};
use domain::sessions::events::SESSIONS_ENDED;
use domain::sessions::{FamilyStatus, RevocationReason, SignInStatus};
use futures_util::future::join_all;
use use_cases::sessions::TokenError;
use use_cases::tokens::{InspectedToken, Introspection, SessionError};

use crate::change_app::{change_app, change_app_token};
use crate::locked::{WRITES, assert_family_revoked, every_path, issue_tokens, mint_by_path};
use test_support::TestApp;
use test_support::calls::{PORTAL, by_identity_provider, by_token, caller, end_sessions, renew, renew_as};
use test_support::fault_injection::{FaultInjector, Interleave, RecordedCalls, with_faults};
use test_support::stale_reads::with_stale_reads_after_writes;

async fn status(app: &TestApp, user: &UserId) -> SignInStatus {
    app.stores.sign_in_statuses.read_linearizable(user).await.unwrap()
}

fn session_of(call: &Call) -> (FamilyId, u64) {
    let user = call.user.as_ref().unwrap();
    (user.session.clone().unwrap(), user.sessions_version)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_ends_every_token_and_allows_new_sessions() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    let signatures = app.signer.signatures();
    end_sessions(&app.tokens, &held.user, None).await;
    assert!(app.renewable_tokens(&held.user).await.is_empty());
    assert_eq!(app.signer.signatures(), signatures);
    for (path, answer) in every_path(&app.tokens, &held).await {
        match path {
            "by identity provider" | "handle-auth" => assert!(answer.is_ok(), "{path}: {answer:?}"),
            _ => assert!(matches!(answer, Err(TokenError::TokenNotValid)), "{path}: {answer:?}"),
        }
    }
    let family = app.family_of(&held.refresh_token).await;
    assert_eq!(family.status, FamilyStatus::Revoked(RevocationReason::SessionsEnded));
    let new = app.session(&held.user).await;
    assert_eq!(app.family_of(&new).await.origin.sessions_version, 1);
    let renewed = app.renew(&new).await.unwrap();
    assert_eq!(app.caller_of(&renewed).user.as_ref().unwrap().sessions_version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_detects_an_end_after_its_write() {
    for (write, path) in WRITES {
        let app = Arc::new(TestApp::new().await);
        let held = issue_tokens(&app).await;
        let (concurrent, user) = (app.clone(), held.user.clone());
        let interleaved = app.with_faults(&Interleave::after(write, move || async move {
            end_sessions(&concurrent.tokens, &user, None).await;
        }));
        let before = app.signer.signatures();
        let answer = mint_by_path(path, &interleaved, &held).await;
        assert!(matches!(answer, Err(TokenError::TokenNotValid)), "{path}: {answer:?}");
        assert_eq!(app.signer.signatures(), before, "{path}");
        assert!(app.renewable_tokens(&held.user).await.is_empty(), "{path}");
        assert_family_revoked(&app, path, &held, RevocationReason::SessionsEnded).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_read_before_the_write_of_a_new_session() {
    for (read, path) in [
        ("sign_in_statuses.read_linearizable", "by identity provider"),
        ("sign_in_statuses.read_linearizable", "handle-auth"),
    ] {
        let app = Arc::new(TestApp::new().await);
        let held = issue_tokens(&app).await;
        let (concurrent, user) = (app.clone(), held.user.clone());
        let interleaved = app.with_faults(&Interleave::after(read, move || async move {
            end_sessions(&concurrent.tokens, &user, None).await;
        }));
        let answer = mint_by_path(path, &interleaved, &held).await;
        assert!(matches!(answer, Err(TokenError::TokenNotValid)), "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_reported_before_an_end() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    end_sessions(&app.tokens, &held.user, None).await;
    app.lock(&held.user).await;
    let answer = app.renew(&held.refresh_token).await;
    assert!(matches!(answer, Err(TokenError::CredentialLocked)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_renewal_reads_the_version_linearizably() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    app.successor(&first).await;
    end_sessions(&app.tokens, &user, None).await;
    let tokens = app.with_stores(&with_stale_reads_after_writes(&app.stores));
    let rejected = renew(&tokens, by_token(&first, true)).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
}

/// A renewal makes one more read than without sign-ins, beside the read of the lock.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_reads_the_sign_in_once() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let calls = Arc::new(RecordedCalls::default());
    let injector: Arc<dyn FaultInjector> = calls.clone();
    renew(&app.with_faults(&injector), by_token(&first, true))
        .await
        .unwrap();
    let names = calls.names();
    let after_write: Vec<_> = names
        .iter()
        .skip_while(|call| **call != "families.rotate")
        .skip(1)
        .collect();
    assert_eq!(
        after_write,
        [&"lock_statuses.read_after_write", &"sign_in_statuses.read_after_write"]
    );
    assert_eq!(
        names.iter().filter(|call| call.starts_with("sign_in")).count(),
        1,
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_reports_ended_tokens_as_inactive() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let refresh = InspectedToken::Other(app.session(&user).await);
    let introspect = || app.tokens.introspect_token.run(&refresh);
    assert!(matches!(introspect().await.unwrap(), Introspection::RefreshToken(_)));
    end_sessions(&app.tokens, &user, None).await;
    assert_eq!(introspect().await.unwrap(), Introspection::Inactive);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_session_passes_and_is_stamped_at_its_next_renewal() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    let other = app.session(&held.user).await;
    end_sessions(&app.tokens, &held.user, Some(session_of(&held.holder))).await;
    // The access token of before stays active, and what is made from it has the new version.
    let branch = change_app_token(&app.tokens, &held.holder, PORTAL).await;
    let branch = renew(&app.tokens, by_token(&branch, true)).await.unwrap();
    assert_eq!(app.caller_of(&branch).user.as_ref().unwrap().sessions_version, 1);
    let again = renew_as(&app.tokens, &held.holder, by_identity_provider(&held.user))
        .await
        .unwrap();
    assert_eq!(session_of(&app.caller_of(&again)), (session_of(&held.holder).0, 1));
    assert_eq!(app.family_of(&held.refresh_token).await.origin.sessions_version, 0);

    let renewed = app.renew(&held.refresh_token).await.unwrap();
    assert_eq!(session_of(&app.caller_of(&renewed)), (session_of(&held.holder).0, 1));
    assert_eq!(app.family_of(&held.refresh_token).await.origin.sessions_version, 1);
    assert!(matches!(app.renew(&other).await, Err(TokenError::TokenNotValid)));

    end_sessions(&app.tokens, &held.user, None).await;
    let refused = app.renew(renewed.refresh_token.as_ref().unwrap()).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    assert!(change_app(&app.tokens, &held.holder, PORTAL).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_session_closes_with_the_new_version() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    end_sessions(&app.tokens, &held.user, Some(session_of(&held.holder))).await;
    let closed = app.close(&held.refresh_token).await.unwrap();
    let user = app.caller_of(&closed).user.clone().unwrap();
    assert_eq!((user.session, user.sessions_version), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_between_check_and_stamp_ends_the_kept_session() {
    let app = Arc::new(TestApp::new().await);
    let held = issue_tokens(&app).await;
    end_sessions(&app.tokens, &held.user, Some(session_of(&held.holder))).await;
    let (concurrent, user) = (app.clone(), held.user.clone());
    let interleaved = Interleave::before("families.stamp", move || async move {
        end_sessions(&concurrent.tokens, &user, None).await;
    });
    // The renewal began before the end, so it may answer; nothing that it returns is active.
    let tokens = app.with_stores(&with_faults(&app.stores, &interleaved));
    let renewed = renew(&tokens, by_token(&held.refresh_token, true)).await.unwrap();
    assert!(change_app(&app.tokens, &app.caller_of(&renewed), PORTAL).await.is_err());
    let refused = app.renew(renewed.refresh_token.as_ref().unwrap()).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_ends_all_succeed_and_raise_the_version_each() {
    const CALLERS: usize = 8;
    let app = TestApp::new().await;
    let user = app.user().await;
    let held = app.session(&user).await;
    let call = caller("desk");
    let ends = (0..CALLERS).map(|_| app.tokens.end_sessions.run(Cause::Call(&call), &user, None));
    for ended in join_all(ends).await {
        ended.unwrap();
    }
    assert_eq!(status(&app, &user).await.sessions_version, CALLERS as u64);
    assert!(matches!(app.renew(&held).await, Err(TokenError::TokenNotValid)));
    let events = app.events_of(&user).await;
    let ends: Vec<_> = events.iter().filter(|event| event.kind == SESSIONS_ENDED).collect();
    let versions = ends.iter().map(|event| (event.sequence, event.data.clone()));
    let expected = (1..=CALLERS as u64).map(|version| {
        let data = vec![
            ("userId".to_owned(), EventValue::from(user.as_str())),
            ("sessionsVersion".to_owned(), EventValue::Number(version)),
        ];
        (version, data)
    });
    assert_eq!(versions.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_an_unknown_user_are_not_ended() {
    let app = TestApp::new().await;
    let unknown = UserId::parse("unknown").unwrap();
    let call = caller("desk");
    let ended = app.tokens.end_sessions.run(Cause::Call(&call), &unknown, None).await;
    assert!(matches!(ended, Err(SessionError::UserNotFound)), "{ended:?}");
    assert_eq!(app.stores.sign_ins.find(&unknown).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_ends_nothing() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.session(&user).await;
    let sign_in = domain::sessions::SignIn::empty(user.clone());
    let events = app.events_of(&user).await;
    let event = |number: usize| NewEvent {
        context: domain::event::EventContext {
            id: domain::ids::EventId(format!("event-{number}")),
            time: events[0].time,
            by: events[0].by.clone(),
            correlation_id: None,
        },
        kind: SESSIONS_ENDED,
        data: Vec::new(),
    };
    let many = (0..ports::MAX_PENDING_EVENTS).map(event).collect();
    app.stores.sign_ins.save_if_version(&sign_in, many).await.unwrap();
    let call = caller("desk");
    let ended = app.tokens.end_sessions.run(Cause::Call(&call), &user, None).await;
    assert!(matches!(ended, Err(SessionError::Failed(_))), "{ended:?}");
    app.renew(&token).await.unwrap();
}
