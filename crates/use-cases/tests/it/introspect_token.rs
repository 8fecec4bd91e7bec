//! Introspection: the content of active tokens, and nothing about inactive ones.

use std::sync::Arc;
use std::time::Duration;

use domain::caller::VerifiedToken;
use domain::ids::UserId;
use domain::sessions::FamilyStatus;
use use_cases::sessions::IssuedTokens;
use use_cases::tokens::{ActiveRefreshToken, InspectedToken, Introspection};

use crate::change_app::change_app_token;
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{PORTAL, by_identity_provider, renew};
use test_support::fault_injection::{FailNthCall, FaultInjector, Outage, RecordedCalls};
use test_support::fixtures::client_id;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Returns the access token of an answer, as its verifier sees it.
pub(crate) fn access(app: &TestApp, tokens: &IssuedTokens) -> InspectedToken {
    let content = app.signer.content(&tokens.access_token);
    InspectedToken::Access(Arc::new(VerifiedToken {
        caller: app.caller_of(tokens).caller,
        id: content.id,
        issuer: "https://authme.test".to_owned(),
        audience: "authme".to_owned(),
        issued_at: content.issued_at,
    }))
}

fn text(token: &str) -> InspectedToken {
    InspectedToken::Other(token.to_owned())
}

async fn introspect(app: &TestApp, token: &InspectedToken) -> Introspection {
    app.tokens.introspect_token.run(token).await.unwrap()
}

async fn is_active(app: &TestApp, token: &InspectedToken) -> bool {
    introspect(app, token).await != Introspection::Inactive
}

/// A session with both of its tokens.
struct Session {
    access: InspectedToken,
    refresh: String,
    holder: domain::caller::Call,
}

impl Session {
    async fn of(app: &TestApp, user: &UserId) -> Self {
        let tokens = renew(&app.tokens, by_identity_provider(user)).await.unwrap();
        Self::new(app, tokens)
    }

    fn new(app: &TestApp, tokens: IssuedTokens) -> Self {
        Self {
            access: access(app, &tokens),
            holder: app.caller_of(&tokens),
            refresh: tokens.refresh_token.unwrap(),
        }
    }

    /// Starts a branch of this session.
    async fn branch(&self, app: &TestApp) -> Self {
        let token = change_app_token(&app.tokens, &self.holder, PORTAL).await;
        Self::new(app, app.renew(&token).await.unwrap())
    }

    async fn log_out(&self, app: &TestApp) {
        let token = text(&self.refresh);
        app.tokens.revoke_token.run(&self.holder, &token).await.unwrap();
    }

    async fn are_active(&self, app: &TestApp) -> [bool; 2] {
        [
            is_active(app, &self.access).await,
            is_active(app, &text(&self.refresh)).await,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_an_active_session_are_returned() {
    let app = TestApp::new().await;
    let session = Session::of(&app, &app.user().await).await;
    let InspectedToken::Access(token) = &session.access else {
        unreachable!("it is an access token");
    };
    let result = introspect(&app, &session.access).await;
    assert_eq!(result, Introspection::AccessToken(token.clone()));
    let family = app.family_of(&session.refresh).await;
    let result = introspect(&app, &text(&session.refresh)).await;
    let expected = ActiveRefreshToken {
        client: client_id(PORTAL),
        user: family.origin.user,
        session: family.id,
        expires_at: family.idle_expires_at,
    };
    assert_eq!(result, Introspection::RefreshToken(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_token_reads_its_client_only() {
    let app = TestApp::new().await;
    let token = InspectedToken::Access(Arc::new(VerifiedToken {
        caller: test_support::calls::caller(PORTAL).caller,
        id: "id".to_owned(),
        issuer: "https://authme.test".to_owned(),
        audience: "authme".to_owned(),
        issued_at: domain::time::Timestamp::UNIX_EPOCH,
    }));
    let calls = Arc::new(RecordedCalls::default());
    let injector: Arc<dyn FaultInjector> = calls.clone();
    let result = app.with_faults(&injector).introspect_token.run(&token).await.unwrap();
    assert!(matches!(result, Introspection::AccessToken(_)), "{result:?}");
    assert_eq!(calls.names(), ["clients.find"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_token_is_inactive_without_a_read() {
    let app = TestApp::new().await;
    let session = Session::of(&app, &app.user().await).await;
    let another_mac = session.refresh.replacen(".1.", ".2.", 1);
    let validation = change_app_token(&app.tokens, &session.holder, PORTAL).await;
    let calls = Arc::new(RecordedCalls::default());
    let injector: Arc<dyn FaultInjector> = calls.clone();
    let tokens = app.with_faults(&injector);
    for token in ["x", "rt_", "rt_a.1.b.c.d", "vt_", &another_mac, &validation] {
        let result = tokens.introspect_token.run(&text(token)).await.unwrap();
        assert_eq!(result, Introspection::Inactive, "{token}");
    }
    assert_eq!(calls.names(), Vec::<&str>::new());
    app.renew(&validation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_locked_user_stay_inactive_after_unlock() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let session = Session::of(&app, &user).await;
    let without_session = app.validation_token(&user).await;
    let without_session = access(&app, &app.close(&without_session).await.unwrap());
    assert!(is_active(&app, &without_session).await);
    app.lock(&user).await;
    for _ in 0..2 {
        assert_eq!(session.are_active(&app).await, [false, false]);
        assert!(!is_active(&app, &without_session).await);
        app.unlock(&user).await;
    }
    assert_eq!(Session::of(&app, &user).await.are_active(&app).await, [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_current_refresh_token_is_active() {
    let app = TestApp::new().await;
    let session = Session::of(&app, &app.user().await).await;
    let second = app.successor(&session.refresh).await;
    // A renewal inside the grace time would return the same successor, but the token is spent nevertheless.
    assert!(!is_active(&app, &text(&session.refresh)).await);
    let third = app.successor(&second).await;
    app.clock.advance(GRACE);
    let family = app.family_of(&third).await;
    for spent in [&session.refresh, &second] {
        assert!(!is_active(&app, &text(spent)).await);
    }
    assert_eq!(app.family_of(&third).await, family);
    assert_eq!(app.metrics.replays(), 0);
    assert!(is_active(&app, &text(&third)).await);
    // The access token belongs to the session, not to a generation.
    assert!(is_active(&app, &session.access).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_inactive_session_are_inactive() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (closed, revoked) = (Session::of(&app, &user).await, Session::of(&app, &user).await);
    let branch = closed.branch(&app).await;
    app.close(&closed.refresh).await.unwrap();
    revoked.log_out(&app).await;
    assert_eq!(closed.are_active(&app).await, [false, false]);
    assert_eq!(revoked.are_active(&app).await, [false, false]);
    assert_eq!(
        branch.are_active(&app).await,
        [true, true],
        "the branch of a closed session"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_is_inactive_once_its_parent_is_revoked() {
    let app = TestApp::new().await;
    let root = Session::of(&app, &app.user().await).await;
    let branch = root.branch(&app).await;
    assert_eq!(branch.are_active(&app).await, [true, true]);
    root.log_out(&app).await;
    assert_eq!(branch.are_active(&app).await, [false, false]);
    // Introspection revoked nothing.
    assert_eq!(app.family_of(&branch.refresh).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_inactive_from_its_expiry_on() {
    let app = TestApp::new().await;
    let session = Session::of(&app, &app.user().await).await;
    let end = app.family_of(&session.refresh).await.idle_expires_at;
    app.clock.set(end.checked_sub(MILLISECOND).unwrap());
    assert_eq!(session.are_active(&app).await, [true, true]);
    app.clock.set(end);
    assert_eq!(session.are_active(&app).await, [false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_session_is_inactive() {
    let app = TestApp::new().await;
    let session = Session::of(&app, &app.user().await).await;
    let InspectedToken::Access(token) = &session.access else {
        unreachable!("it is an access token");
    };
    let mut caller = (*token.caller).clone();
    caller.user.as_mut().unwrap().session = domain::ids::FamilyId::parse("unknown").ok();
    let unknown = InspectedToken::Access(Arc::new(VerifiedToken {
        caller: Arc::new(caller),
        ..(**token).clone()
    }));
    assert!(!is_active(&app, &unknown).await);
    let mut unknown = app.decode(&session.refresh);
    unknown.family = domain::ids::FamilyId::parse("unknown").unwrap();
    assert!(!is_active(&app, &text(&app.refresh_token_codec.encode(&unknown))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_fails_if_a_store_is_unavailable() {
    let app = TestApp::new().await;
    let root = Session::of(&app, &app.user().await).await;
    let branch = root.branch(&app).await;
    for token in [&branch.access, &text(&branch.refresh)] {
        let mut number = 0;
        loop {
            let fault = Arc::new(FailNthCall::new(number, Outage::Unreachable));
            let injector: Arc<dyn FaultInjector> = fault.clone();
            let result = app.with_faults(&injector).introspect_token.run(token).await;
            if !fault.has_failed() {
                break;
            }
            assert!(result.is_err(), "call {number}: {result:?}");
            number += 1;
        }
        assert_eq!(
            number, 6,
            "session, ancestor, lock status, sign-in, user and client are read"
        );
    }
}
