//! The limit of sessions of one user through one client, and the list of sessions.

use std::time::Duration;

use domain::caller::Cause;
use domain::event::EventValue;
use domain::ids::{FamilyId, UserId};
use domain::sessions::events::SESSION_REVOKED;
use domain::sessions::{FamilyStatus, RevocationReason};
use use_cases::sessions::SessionSettings;
use use_cases::tokens::SessionError;

use crate::change_app::change_app_token;
use test_support::TestApp;
use test_support::calls::{PORTAL, by_token, caller, end_sessions, renew};

/// Returns the ids of the user's sessions, read in pages of `limit`.
async fn listed(app: &TestApp, user: &UserId, limit: usize) -> Vec<FamilyId> {
    let mut sessions = Vec::new();
    let mut after: Option<FamilyId> = None;
    loop {
        let page = app.tokens.list_sessions.run(user, after.as_ref(), limit).await.unwrap();
        sessions.extend(page.sessions.into_iter().map(|session| session.id));
        let Some(next) = page.next else { return sessions };
        after = Some(next);
    }
}

async fn end(app: &TestApp, user: &UserId, session: &FamilyId) -> Result<(), SessionError> {
    let call = caller(PORTAL);
    app.tokens.end_session.run(Cause::Call(&call), user, session).await
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_one_too_many_ends_the_least_recently_renewed() {
    let limit = usize::try_from(SessionSettings::default().sessions_per_client).unwrap();
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    let of_another_user = app.session(&other).await;
    let mut tokens = Vec::new();
    for _ in 0..limit {
        app.clock.advance(Duration::from_secs(1));
        tokens.push(app.session(&user).await);
    }
    assert_eq!(app.renewable_tokens(&user).await.len(), limit);
    app.clock.advance(Duration::from_secs(1));
    // The first is now the most recent, and the second the least recent one.
    app.successor(&tokens[0]).await;
    app.clock.advance(Duration::from_secs(1));
    let newest = app.session(&user).await;
    assert_eq!(app.renewable_tokens(&user).await.len(), limit);
    let ended = app.family_of(&tokens[1]).await;
    assert_eq!(ended.status, FamilyStatus::Revoked(RevocationReason::Limit));
    for token in [&tokens[0], &tokens[2], &newest, &of_another_user] {
        assert_eq!(app.family_of(token).await.status, FamilyStatus::Active);
    }
    let events = app.events_of(&user).await;
    let revoked: Vec<_> = events.iter().filter(|event| event.kind == SESSION_REVOKED).collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].subject, ended.id.as_str());
    let reason = revoked[0].data.iter().find(|(name, _)| name == "reason");
    assert_eq!(reason.map(|(_, reason)| reason), Some(&EventValue::from("limit")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_ended_together_do_not_count() {
    let limit = SessionSettings::default().sessions_per_client;
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    for _ in 1..limit {
        app.session(&user).await;
    }
    end_sessions(&app.tokens, &user, None).await;
    app.session(&user).await;
    assert_eq!(
        app.family_of(&first).await.status,
        FamilyStatus::Active,
        "it is revoked when it is presented"
    );
    assert_eq!(app.renewable_tokens(&user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn active_sessions_are_listed_in_pages() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.session(&app.user().await).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(app.decode(&app.session(&user).await).family);
    }
    expected.sort();
    for limit in [1, 2, 5, 100] {
        assert_eq!(listed(&app, &user, limit).await, expected, "{limit}");
    }
    end_sessions(&app.tokens, &user, None).await;
    assert_eq!(listed(&app, &user, 100).await, []);
    let new = app.decode(&app.session(&user).await).family;
    assert_eq!(listed(&app, &user, 100).await, [new]);
    app.lock(&user).await;
    assert_eq!(listed(&app, &user, 100).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_session_ends_its_branches_and_unlists_both() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let parent = app.renew(&app.session(&user).await).await.unwrap();
    let validation_token = change_app_token(&app.tokens, &app.caller_of(&parent), PORTAL).await;
    let branch = renew(&app.tokens, by_token(&validation_token, true)).await.unwrap();
    assert_eq!(listed(&app, &user, 100).await.len(), 2);
    let session = parent.session.clone().unwrap();
    end(&app, &user, &session).await.unwrap();
    assert_eq!(
        app.family(&session).await.status,
        FamilyStatus::Revoked(RevocationReason::Logout)
    );
    assert_eq!(listed(&app, &user, 100).await, []);
    app.renew(branch.refresh_token.as_ref().unwrap()).await.unwrap_err();
    end(&app, &user, &session).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_user_is_not_found() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    let token = app.session(&other).await;
    let foreign = app.decode(&token).family;
    let unknown = FamilyId::parse("unknown").unwrap();
    for session in [&foreign, &unknown] {
        let ended = end(&app, &user, session).await;
        assert!(matches!(ended, Err(SessionError::SessionNotFound)), "{ended:?}");
    }
    app.renew(&token).await.unwrap();
    let listed = app
        .tokens
        .list_sessions
        .run(&UserId::parse("unknown").unwrap(), None, 1)
        .await;
    assert!(matches!(listed, Err(SessionError::UserNotFound)), "{listed:?}");
}
