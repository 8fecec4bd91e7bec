//! The removal of a user over HTTP and by the command, and what a later user of the id inherits: nothing.

use std::process::{Command, Output};

use serde_json::{Value, json};
use service_assembly::{CONTEXTS, Context};

use crate::add_contacts::{add_all, mobile, path};
use crate::fixtures::{self, ANA_MAIL, BIA_MAIL, ROOT_MAIL};
use crate::jwt::{token, user_claims};
use crate::test_app::{NOT_VALID, TestApp, field, forbidden_response};
use test_support::http::{Answer, Request};

const NOT_KNOWN: &str = r#"404 [{"code":"04","message":"the user is not known"}]"#;
const INACTIVE: &str = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;

const ROLES: [&str; 4] = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];

fn delete(app: &TestApp, user: &str, bearer: &str) -> Answer {
    app.send(Request::delete(&format!("/user-identities/{user}")).bearer(bearer))
}

/// Returns a token of root with more roles than a login gives.
fn root_with(app: &TestApp, roles: &[&str]) -> String {
    let mut root = fixtures::user(
        "root",
        ROOT_MAIL,
        &["AUTH-BASIC", "USER", "IAM_ADMIN_MAINTENANCE", "ADMIN"],
    );
    root.name = None;
    app.wait_for(fixtures::save_identity(&app.stores, &root));
    token(app, &user_claims("root", &[&ROLES, roles].concat(), &[]))
}

/// Publishes the events and erases removed users, as the loops of a process do.
fn run_loops(app: &TestApp) {
    app.events();
    let erase = Context::erase_removed_users(CONTEXTS, &app.stores);
    app.wait_for(erase.run()).expect("the store answers");
}

/// Runs a command on the data folder of the app.
fn command(app: &TestApp, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authme"));
    command.env_clear().arg("--data").arg(app.folder.path().join("data"));
    command.args(arguments).output().expect("the command runs")
}

fn list_own_contacts(app: &TestApp, bearer: &str) -> Answer {
    app.send(Request::get(&path("me")).bearer(bearer))
}

fn introspect(app: &TestApp, token: &str) -> Value {
    let request = Request::post("/tokens/introspect").bearer(&app.client_token("shop"));
    app.send(request.json(&json!({"token": token}))).json()
}

/// Asserts that the tokens of a removed user are worth nothing.
fn assert_worthless(app: &TestApp, access: &str, refresh: &str) {
    let removal = delete(app, "me", access);
    assert_eq!(removal.status, 403, "{}", removal.summary());
    let logout = Request::post("/user-identities/me/revoke-token").bearer(access);
    assert_eq!(app.send(logout.json(&json!({"token": refresh}))).summary(), INACTIVE);
    assert_eq!(list_own_contacts(app, access).summary(), NOT_KNOWN);
    for token in [access, refresh] {
        assert_eq!(introspect(app, token), json!({"active": false}));
    }
}

#[test]
fn an_id_that_is_given_again_inherits_nothing() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    add_all(&app, "ana", &[mobile("ana-second", "987654321")]);
    let validation_token = app.validation_token(ANA_MAIL, "portal");
    let portal = app.client_token("portal");

    let removed = command(&app, &["identity", "remove", "ana"]);
    assert!(removed.status.success(), "{removed:?}");
    assert_worthless(&app, &access, &refresh);
    assert_eq!(app.renew(&portal, &refresh, "true").summary(), NOT_VALID);
    let add = [
        "identity",
        "add",
        "--id",
        "ana",
        "--email",
        "other@example.com",
        "--role",
        "AUTH-BASIC",
        "--role",
        "USER",
    ];
    // The events of ana's session are not published yet, so her session is still stored.
    let rejected = command(&app, &add);
    assert_eq!(rejected.status.code(), Some(1), "{rejected:?}");
    let message = String::from_utf8_lossy(&rejected.stderr);
    assert!(
        message.contains("the user `ana` was removed, and something of that user is still stored"),
        "{message}"
    );

    run_loops(&app);
    let added = command(&app, &add);
    assert!(added.status.success(), "{added:?}");
    assert_worthless(&app, &access, &refresh);
    for token in [&refresh, &validation_token] {
        assert_eq!(app.renew(&portal, token, "true").summary(), NOT_VALID);
    }
    let (own, own_refresh) = app.session_tokens("other@example.com");
    let contacts = list_own_contacts(&app, &own).json();
    let contacts = contacts.as_array().expect("an array");
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    assert_eq!(introspect(&app, &own)["active"], json!(true));
    assert_eq!(app.renew(&portal, &own_refresh, "true").status, 200);
    let lock = Request::get("/user-identities/ana/lock").bearer(&app.client_token("locker"));
    assert_eq!(app.send(lock).json()["epoch"], json!(1));
}

#[test]
fn a_removal_is_answered_and_published_once() {
    let app = TestApp::start();
    let root = app.user_token(ROOT_MAIL, "portal");
    assert_eq!(delete(&app, "bia", &root).summary(), "204 ");
    assert_eq!(delete(&app, "bia", &root).summary(), NOT_KNOWN);
    assert_eq!(delete(&app, "nobody", &root).summary(), NOT_KNOWN);
    let login = app.saml_login("portal", &json!({"email": BIA_MAIL, "groups": []}));
    assert_eq!(login.status, 412, "{}", login.summary());
    let mut events = app.events();
    events.retain(|event| event["source"] == "/authme/identities");
    let [event] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (&event["type"], &event["subject"], &event["data"]),
        (
            &json!("identity.removed"),
            &json!("bia"),
            &json!({"userId": "bia", "by": {"user": "root", "client": "portal"}})
        )
    );
    let trail = std::fs::read_to_string(app.folder.path().join("data/audit.jsonl")).expect("the trail can be read");
    let records = trail.lines().filter(|line| line.contains("\"removeUser\""));
    assert_eq!(records.filter(|line| line.contains("\"done\"")).count(), 1, "{trail}");
}

#[test]
fn a_malformed_removal_removes_nothing() {
    let app = TestApp::start();
    let root = app.user_token(ROOT_MAIL, "portal");
    let malformed = delete(&app, "b.i.a", &root);
    assert_eq!(malformed.codes(), (400, vec!["01".to_owned()]));
    let with_body = Request::delete("/user-identities/bia").bearer(&root).json(&json!({}));
    assert_eq!(
        app.send(with_body).summary(),
        r#"400 [{"code":"01","message":"the removal of a user takes no body"}]"#
    );
    assert_eq!(delete(&app, "bia", &root).summary(), "204 ");
}

#[test]
fn administrators_are_removed_with_a_second_factor_only() {
    let app = TestApp::start();
    let mut ana = fixtures::ana();
    ana.roles.push("IAM_ADMIN_MAINTENANCE".to_owned());
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let refused = forbidden_response(
        "a user with an administrator role is removed by a caller with the roles ADMIN and AUTH-MFA only",
    );
    let maintainer = root_with(&app, &["IAM_ADMIN_MAINTENANCE"]);
    assert_eq!(delete(&app, "ana", &maintainer).summary(), refused);
    let own = token(&app, &user_claims("ana", &[&ROLES[..], &["AUTH-MFA"]].concat(), &[]));
    assert_eq!(delete(&app, "me", &own).summary(), refused);
    let chief = root_with(&app, &["ADMIN", "AUTH-MFA"]);
    assert_eq!(delete(&app, "ana", &chief).summary(), "204 ");
}

#[test]
fn users_remove_themselves_with_a_second_factor() {
    let app = TestApp::start();
    let without = token(&app, &user_claims("ana", &ROLES, &[]));
    assert_eq!(
        delete(&app, "me", &without).summary(),
        forbidden_response("the token lacks the role AUTH-MFA")
    );
    let with = token(&app, &user_claims("ana", &[&ROLES[..], &["AUTH-MFA"]].concat(), &[]));
    assert_eq!(delete(&app, "bia", &with).status, 403);
    assert_eq!(delete(&app, "me", &with).summary(), "204 ");
    assert_eq!(delete(&app, "me", &with).summary(), INACTIVE);
    let login = app.saml_login("portal", &json!({"email": ANA_MAIL, "groups": []}));
    assert_eq!(field(&login.json()[0], "code"), "04");
}
