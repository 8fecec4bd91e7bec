//! Renewal after a login at an external identity provider: docs/api.md "Request bodies and parameters".

use serde_json::json;

use crate::fixtures::{self, ANA_MAIL, to_strings};
use crate::jwt::{claims, token, user_claims};
use crate::test_app::{LOCKED, TestApp, field};
use test_support::http::{Answer, Request};

const OWNER: [&str; 4] = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];

fn renew(app: &TestApp, bearer: &str, client: &str, user: &str, remember: &str) -> Answer {
    let query = [
        ("token", ""),
        ("clientId", client),
        ("userId", user),
        ("remember-me", remember),
    ];
    app.send(
        Request::post("/user-identities/renew-token")
            .query(&query)
            .bearer(bearer),
    )
}

#[test]
fn the_client_itself_gets_tokens_for_a_user() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    for (remember, keeps) in [("true", true), ("false", false), ("", false)] {
        let answer = renew(&app, &portal, "portal", "ana", remember);
        assert_eq!(answer.status, 200, "{}", answer.summary());
        let body = answer.json();
        assert_eq!(body.get("refreshToken").is_some(), keeps, "{remember}");
        let claims = claims(&field(&body, "accessToken"));
        assert_eq!(
            (&claims["user_id"], &claims["client_id"]),
            (&json!("ana"), &json!("portal"))
        );
        assert_eq!(claims["roles"], json!(OWNER));
    }
    let without = Request::post("/user-identities/renew-token").json(&json!({"clientId": "portal", "userId": "ana"}));
    assert_eq!(app.send(without.bearer(&portal)).status, 200);
}

#[test]
fn an_alias_names_the_client() {
    let app = TestApp::start();
    let answer = renew(&app, &app.client_token("portal"), "portal.idp", "ana", "true");
    assert_eq!(claims(&field(&answer.json(), "accessToken"))["client_id"], "portal");
}

#[test]
fn another_client_or_user_returns_403() {
    let app = TestApp::start();
    let ana = token(&app, &user_claims("ana", &OWNER, &[]));
    let portal = app.client_token("portal");
    for (bearer, client, user) in [
        (&portal, "shop", "ana"),
        (&portal, "unknown", "ana"),
        (&ana, "portal", "bia"),
        (&ana, "shop", "ana"),
        (&ana, "shop", "bia"),
        (&app.client_token("shop"), "portal", "ana"),
        (&app.client_token("shop"), "portal.idp", "ana"),
    ] {
        assert_eq!(
            renew(&app, bearer, client, user, "true").summary(),
            r#"403 [{"code":"03","message":"the caller may not renew for this client or user"}]"#,
            "{client} {user}"
        );
    }
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

#[test]
fn an_unregistered_identity_provider_returns_412() {
    let app = TestApp::start();
    let rejection = r#"412 [{"code":"22","message":"the client is unknown, disabled, or not set up for this flow"}]"#;
    assert_eq!(
        renew(&app, &app.client_token("shop"), "shop", "ana", "true").summary(),
        rejection
    );
    let portal = app.client_token("portal");
    let mut client = fixtures::client("portal", &[], &[]);
    client.is_identity_provider = true;
    client.is_enabled = false;
    app.wait_for(fixtures::save_client(&app.stores, &client));
    assert_eq!(
        renew(&app, &portal, "portal", "ana", "true").summary(),
        r#"401 [{"code":"02","message":"the access token is no longer active"}]"#
    );
}

#[test]
fn an_unknown_user_returns_412() {
    let app = TestApp::start();
    assert_eq!(
        renew(&app, &app.client_token("portal"), "portal", "nobody", "true").summary(),
        r#"412 [{"code":"04","message":"the user is not known"}]"#
    );
}

#[test]
fn a_locked_user_returns_412_until_unlocked() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    app.lock_or_unlock("lock", "ana");
    assert_eq!(renew(&app, &portal, "portal", "ana", "true").summary(), LOCKED);
    app.lock_or_unlock("unlock", "ana");
    let again = renew(&app, &portal, "portal", "ana", "true");
    assert_eq!(claims(&field(&again.json(), "accessToken"))["epoch"], 1);
}

#[test]
fn a_users_access_token_ends_with_its_session() {
    let app = TestApp::start();
    let session = app.session(ANA_MAIL);
    let sid = claims(&field(&session, "accessToken"))["sid"].clone();
    let answer = renew(&app, &field(&session, "accessToken"), "portal", "ana", "true");
    assert_eq!(answer.status, 200, "{}", answer.summary());
    let body = answer.json();
    assert_eq!(body.get("refreshToken"), None);
    let access = field(&body, "accessToken");
    assert_eq!(claims(&access)["sid"], sid);
    assert_eq!(app.event_types("ana"), ["session.started"]);

    let portal = app.client_token("portal");
    let one = field(&session, "refreshToken");
    let two = field(&app.renew(&portal, &one, "true").json(), "refreshToken");
    app.renew(&portal, &two, "true");
    // The spent token is presented again.
    assert_eq!(app.renew(&portal, &one, "true").status, 401);
    assert_eq!(
        renew(&app, &access, "portal", "ana", "true").codes(),
        (401, to_strings(&["20"]))
    );
}

#[test]
fn a_lock_takes_precedence_over_an_ended_session() {
    let app = TestApp::start();
    let session = app.session(ANA_MAIL);
    let (access, refresh) = (field(&session, "accessToken"), field(&session, "refreshToken"));
    app.lock_or_unlock("lock", "ana");
    assert_eq!(renew(&app, &access, "portal", "ana", "true").summary(), LOCKED);
    // The mint gate ends the session because of the lock. The answer stays the same.
    assert_eq!(app.renew(&access, &refresh, "true").summary(), LOCKED);
    assert_eq!(app.renew(&access, &refresh, "true").summary(), LOCKED);
    assert_eq!(renew(&app, &access, "portal", "ana", "true").summary(), LOCKED);
}
