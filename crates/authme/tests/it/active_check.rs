//! C22 (docs/promises.md): every operation that runs the active check rejects a token with a valid signature that is no
//! longer active, because of its credential, session, user or client. Introspection reports it as inactive.

use domain::client::Client;
use serde_json::{Value, json};

use crate::fixtures::{self, ANA_MAIL, to_strings};
use crate::jwt::{claims, client_claims, token, user_claims};
use crate::role_matrix::{Active, Operation, ROLES, SCOPES, operations};
use crate::stopping::rounds;
use crate::test_app::{TestApp, field};
use test_support::http::{Answer, Request};

/// The events after which a token is no longer active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revocation {
    Lock,
    LockAndUnlock,
    Logout,
    Close,
    Replay,
    EndedSession,
    EndedSessions,
    RevokedAncestor,
    RemovedUser,
    DisabledClient,
    EnabledAgain,
    RevokedTokens,
    RotatedSecret,
    RemovedClient,
}

impl Revocation {
    const OF_USERS: [Self; 9] = [
        Self::Lock,
        Self::LockAndUnlock,
        Self::Logout,
        Self::Close,
        Self::Replay,
        Self::EndedSession,
        Self::EndedSessions,
        Self::RevokedAncestor,
        Self::RemovedUser,
    ];
    const OF_CLIENTS: [Self; 5] = [
        Self::DisabledClient,
        Self::EnabledAgain,
        Self::RevokedTokens,
        Self::RotatedSecret,
        Self::RemovedClient,
    ];

    fn affects_client(self) -> bool {
        Self::OF_CLIENTS.contains(&self)
    }

    /// Causes the event.
    fn apply(self, app: &TestApp, session: &Session) {
        match self {
            Self::Lock => drop(app.lock_or_unlock("lock", "ana")),
            Self::LockAndUnlock => {
                app.lock_or_unlock("lock", "ana");
                app.lock_or_unlock("unlock", "ana");
            }
            Self::Logout => log_out(app, &session.access, &session.refresh),
            Self::Close => drop(app.renew(&app.client_token("portal"), &session.refresh, "false")),
            Self::Replay => {
                let portal = app.client_token("portal");
                let second = field(&app.renew(&portal, &session.refresh, "true").json(), "refreshToken");
                app.renew(&portal, &second, "true");
                app.renew(&portal, &session.refresh, "true");
            }
            Self::EndedSession => {
                let path = format!("/user-identities/me/sessions/{}", text(&session.sid));
                delete(app, &path, &session.access);
            }
            Self::EndedSessions => delete(app, "/user-identities/me/sessions", &session.parent_access),
            Self::RevokedAncestor => log_out(app, &session.parent_access, &session.parent_refresh),
            Self::RemovedUser => {
                app.wait_for(fixtures::remove_user(&app.stores, &fixtures::user_id("ana")));
            }
            Self::DisabledClient => change_portal(app, Client::disable),
            Self::EnabledAgain => change_portal(app, |portal| {
                portal.disable();
                portal.is_enabled = true;
            }),
            Self::RevokedTokens => change_portal(app, Client::revoke_tokens),
            Self::RotatedSecret => change_portal(app, |portal| {
                let digest = portal.secrets[0].clone();
                portal.replace_secret(digest, domain::time::Timestamp::UNIX_EPOCH, None);
            }),
            Self::RemovedClient => change_portal(app, |portal| *portal = portal.clone().into_removed()),
        }
    }
}

fn text(sid: &Value) -> &str {
    sid.as_str().expect("a session id")
}

fn delete(app: &TestApp, path: &str, bearer: &str) {
    assert_eq!(app.send(Request::delete(path).bearer(bearer)).status, 204);
}

fn change_portal(app: &TestApp, change: impl FnOnce(&mut Client)) {
    let portal = app.wait_for(app.stores.clients.find(&fixtures::client_id("portal")));
    let mut portal = portal.expect("the store answers").expect("it is registered");
    change(&mut portal);
    app.wait_for(fixtures::save_client(&app.stores, &portal));
}

fn log_out(app: &TestApp, bearer: &str, refresh: &str) {
    let request = Request::post("/user-identities/me/revoke-token").bearer(bearer);
    assert_eq!(app.send(request.json(&json!({"token": refresh}))).status, 200);
}

/// A session that branched off a parent session, with the tokens of both.
struct Session {
    parent_access: String,
    parent_refresh: String,
    access: String,
    refresh: String,
    sid: Value,
}

impl Session {
    fn start(app: &TestApp) -> Self {
        let mut ana = fixtures::ana();
        ana.roles.extend(["IAM_ADMIN_MAINTENANCE", "ADMIN"].map(str::to_owned));
        app.wait_for(fixtures::save_identity(&app.stores, &ana));
        let parent = app.session(ANA_MAIL);
        let bearer = field(&parent, "accessToken");
        let change_app = Request::post("/user-identities/me/change-app").query(&[("targetClientId", "portal")]);
        let validation_token = field(&app.send(change_app.bearer(&bearer)).json(), "validationToken");
        let branch = app.renew(&app.client_token("portal"), &validation_token, "true").json();
        let access = field(&branch, "accessToken");
        Self {
            parent_access: bearer,
            parent_refresh: field(&parent, "refreshToken"),
            refresh: field(&branch, "refreshToken"),
            sid: claims(&access)["sid"].clone(),
            access,
        }
    }

    /// Returns a token of the session with every role and scope.
    fn token(&self, app: &TestApp) -> String {
        let mut claims = user_claims("ana", &ROLES, &SCOPES);
        claims["sid"] = self.sid.clone();
        token(app, &claims)
    }
}

/// Returns a request to an operation. It is valid if the operation mints tokens. In the other operations, the active check
/// fails before the missing members are noticed.
fn request(operation: &Operation) -> Request {
    let request = operation.request("bia");
    match operation.path {
        "/user-identities/renew-token" => request.query(&[("clientId", "portal"), ("userId", "ana")]),
        "/user-identities/handle-auth" => request
            .query(&[("clientId", "portal")])
            .json(&json!({"email": fixtures::BIA_MAIL, "groups": []})),
        path if path.ends_with("/change-app") => request.query(&[("targetClientId", "shop")]),
        _ => request,
    }
}

/// Returns the expected status and codes of an operation for a token that is no longer active.
fn expected_rejection(operation: &Operation, revocation: Revocation) -> (u16, Vec<String>) {
    match revocation {
        _ if operation.active != Active::Gate || revocation.affects_client() => (401, to_strings(&["02"])),
        Revocation::Lock => (412, to_strings(&["21"])),
        _ => (401, to_strings(&["20"])),
    }
}

/// Calls every operation that `bearer` has the roles for, and returns the answers.
fn call_operations(app: &TestApp, bearer: &str, is_user: bool) -> Vec<(&'static Operation, Answer)> {
    let reached = operations().iter().filter(|operation| operation.is_for(is_user));
    reached
        .map(|operation| (operation, app.send(request(operation).bearer(bearer))))
        .collect()
}

fn is_active(app: &TestApp, token: &str) -> bool {
    let request = Request::post("/tokens/introspect").bearer(&app.client_token("shop"));
    let answer = app.send(request.json(&json!({"token": token})));
    assert_eq!(answer.status, 200, "{}", answer.summary());
    answer.json()["active"] == json!(true)
}

#[test]
fn c22_every_operation_rejects_inactive_user_tokens() {
    let (rounds, mut count) = (rounds(1), 0);
    for revocation in Revocation::OF_USERS
        .into_iter()
        .chain(Revocation::OF_CLIENTS)
        .cycle()
        .take(14 * rounds)
    {
        let app = TestApp::start();
        let session = Session::start(&app);
        let bearer = session.token(&app);
        for (operation, answer) in call_operations(&app, &bearer, true) {
            assert!(
                !matches!(answer.status, 401 | 403),
                "{}: {}",
                operation.path,
                answer.summary()
            );
        }
        assert!(is_active(&app, &bearer), "{revocation:?}");
        revocation.apply(&app, &session);
        let mut checked = 0;
        for (operation, answer) in call_operations(&app, &bearer, true) {
            if operation.active == Active::No {
                assert_ne!(answer.status, 401, "{}: {}", operation.path, answer.summary());
            } else {
                let case = format!(
                    "{revocation:?}: {} {}: {}",
                    operation.method,
                    operation.path,
                    answer.summary()
                );
                assert_eq!(answer.codes(), expected_rejection(operation, revocation), "{case}");
                checked += 1;
            }
        }
        assert!(checked >= 22, "{checked} user operations with an active check");
        assert!(!is_active(&app, &bearer), "{revocation:?}");
        count += checked + 1;
    }
    println!("trial c22 users: {count} trials, 0 failures");
}

#[test]
fn c22_every_operation_rejects_inactive_client_tokens() {
    let (rounds, mut count) = (rounds(1), 0);
    for revocation in Revocation::OF_CLIENTS.into_iter().cycle().take(5 * rounds) {
        let app = TestApp::start();
        let session = Session::start(&app);
        let bearer = token(&app, &client_claims("portal", &ROLES, &SCOPES));
        for (operation, answer) in call_operations(&app, &bearer, false) {
            assert!(
                !matches!(answer.status, 401 | 403),
                "{}: {}",
                operation.path,
                answer.summary()
            );
        }
        revocation.apply(&app, &session);
        let mut checked = 0;
        for (operation, answer) in call_operations(&app, &bearer, false) {
            let case = format!(
                "{revocation:?}: {} {}: {}",
                operation.method,
                operation.path,
                answer.summary()
            );
            assert_eq!(answer.codes(), (401, to_strings(&["02"])), "{case}");
            checked += 1;
        }
        assert!(checked >= 8, "{checked} client operations");
        assert!(!is_active(&app, &bearer), "{revocation:?}");
        count += checked + 1;
    }
    println!("trial c22 clients: {count} trials, 0 failures");
}

#[test]
fn an_administrator_role_counts_only_while_held() {
    let app = TestApp::start();
    let session = Session::start(&app);
    let bearer = session.token(&app);
    let lock = || {
        let request = Request::post("/user-identities/lock").bearer(&bearer);
        app.send(request.json(&json!({"userId": "bia"})))
    };
    assert_eq!(lock().status, 204);
    app.wait_for(fixtures::save_identity(&app.stores, &fixtures::ana()));
    assert_eq!(
        lock().summary(),
        r#"403 [{"code":"03","message":"the token lacks the role IAM_ADMIN_MAINTENANCE"}]"#
    );
    // The user keeps the other roles until the next renewal.
    let list = Request::get("/user-identities/me/authentication-factors").bearer(&bearer);
    assert_eq!(app.send(list).status, 200);
}
