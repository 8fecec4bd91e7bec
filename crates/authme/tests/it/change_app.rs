//! Changes of the application: docs/api.md "Request bodies and parameters".

use serde_json::json;

use crate::fixtures::{ANA_MAIL, BUSINESS, ana, remove_user, save_identity, user_id};
use crate::jwt::{token, user_claims};
use crate::test_app::{LOCKED, NOT_VALID, Setup, TOO_LARGE, TestApp, field, forbidden_response};
use test_support::http::{Answer, FORM, Request};

const PATHS: [&str; 2] = ["/user-identities/change-app", "/user-identities/me/change-app"];

fn change_to_shop(bearer: &str) -> Request {
    Request::post("/user-identities/me/change-app?targetClientId=shop&unknown=1").bearer(bearer)
}

/// Returns status and body with a placeholder for the validation token, which is random.
fn redact(response: &Answer) -> String {
    let mut body = response.json();
    let token = field(&body, "validationToken");
    assert!(
        token.starts_with("vt_") && token.len() == 67,
        "256 bits in hexadecimal digits: {token}"
    );
    body["validationToken"] = json!("…");
    format!("{} {body}", response.status)
}

#[test]
fn both_paths_return_a_validation_token() {
    let app = TestApp::start();
    let (access, _) = app.session_tokens(ANA_MAIL);
    for path in PATHS {
        let response = app.send(Request::post(&format!("{path}?targetClientId=shop")).bearer(&access));
        assert_eq!(
            redact(&response),
            r#"201 {"ip":"127.0.0.1","originClientId":"portal","userId":"ana","validationToken":"…"}"#
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn a_branch_starts_once_and_ends_with_its_parent() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let shop = app.client_token("shop");
    let validation_token = || field(&app.send(change_to_shop(&access)).json(), "validationToken");
    let (token, unused) = (validation_token(), validation_token());
    assert_eq!(
        app.renew(&app.client_token("portal"), &token, "true").summary(),
        NOT_VALID
    );
    let renewed = app.renew(&shop, &token, "true");
    assert_eq!(renewed.status, 200, "{}", renewed.summary());
    let branch = field(&renewed.json(), "refreshToken");
    assert_eq!(app.renew(&shop, &token, "true").summary(), NOT_VALID);
    assert_eq!(app.event_types("ana"), ["session.started", "session.started"]);
    let (parent, branch_family) = (app.family(&refresh), app.family(&branch));
    assert_eq!(branch_family.origin.ancestors, [parent.id]);
    assert_eq!(branch_family.absolute_expires_at, parent.absolute_expires_at);

    let body = json!({"token": refresh});
    let log_out = Request::post("/user-identities/me/revoke-token")
        .bearer(&access)
        .json(&body);
    assert_eq!(app.send(log_out).summary(), "200 ");
    for token in [&branch, &unused] {
        assert_eq!(app.renew(&shop, token, "true").summary(), NOT_VALID);
    }
    assert_eq!(app.send(change_to_shop(&access)).summary(), NOT_VALID);
}

#[test]
fn the_body_is_optional_and_the_device_id_ignored() {
    let app = TestApp::start();
    let (access, _) = app.session_tokens(ANA_MAIL);
    assert_eq!(
        app.send(change_to_shop(&access).header("Content-Type", "text/plain").body(""))
            .status,
        201
    );
    for body in [
        json!({}),
        json!({"deviceId": null, "ip": null}),
        json!({"deviceId": "", "ip": ""}),
        json!({"deviceId": "é".repeat(200), "unknown": [1]}),
    ] {
        let response = app.send(change_to_shop(&access).json(&body));
        assert_eq!(response.json()["ip"], "127.0.0.1", "{body}: {}", response.summary());
    }
}

#[test]
fn the_address_comes_from_body_then_proxy_then_peer() {
    let app = TestApp::start_with(Setup {
        trusted_proxies: vec!["127.0.0.1".to_owned()],
        ..Setup::default()
    });
    let (access, _) = app.session_tokens(ANA_MAIL);
    let forwarded = || change_to_shop(&access).header("X-Forwarded-For", "198.51.100.7");
    let ip = |answer: Answer| answer.json()["ip"].clone();
    assert_eq!(ip(app.send_from("127.0.0.2", forwarded())), "127.0.0.2");
    assert_eq!(ip(app.send(forwarded())), "198.51.100.7");
    for (given, expected) in [("192.0.2.1", "192.0.2.1"), ("2001:DB8::7", "2001:db8::7")] {
        assert_eq!(ip(app.send(forwarded().json(&json!({"ip": given})))), expected);
    }
    for bad in ["a.b.c.d", "1.2.3", "1.2.3.4:80", "1.2.3.4/8", " 1.2.3.4", "localhost"] {
        let response = app.send_from("127.0.0.2", forwarded().json(&json!({"ip": bad})));
        let expected = r#"400 [{"code":"01","message":"ip must be an IPv4 or IPv6 address","field":"ip"}]"#;
        assert_eq!(response.summary(), expected, "{bad}");
    }
}

#[test]
fn an_unreadable_body_is_400_413_or_415() {
    let app = TestApp::start();
    let (access, _) = app.session_tokens(ANA_MAIL);
    let send =
        |media_type: &str, body: &str| app.send(change_to_shop(&access).header("Content-Type", media_type).body(body));
    let json = "application/json";
    for body in [
        "{",
        "[]",
        "null",
        "1",
        "\"x\"",
        "{} {}",
        r#"{"ip":1}"#,
        r#"{"ip":["1.2.3.4"]}"#,
        r#"{"deviceId":{}}"#,
        r#"{"deviceId":"a","deviceId":"a"}"#,
        r#"{"ip":"1.2.3.4","ip":"1.2.3.4"}"#,
        "\0",
    ] {
        assert_eq!(send(json, body).codes(), (400, vec!["01".to_owned()]), "{body}");
    }
    let long = json!({"deviceId": "é".repeat(201)}).to_string();
    assert_eq!(
        send(json, &long).summary(),
        r#"400 [{"code":"01","message":"deviceId must have at most 200 characters","field":"deviceId"}]"#
    );
    for media_type in [FORM, "text/plain", "application/xml"] {
        assert_eq!(
            send(media_type, "{}").codes(),
            (415, vec!["01".to_owned()]),
            "{media_type}"
        );
    }
    let huge = json!({"deviceId": "x".repeat(1 << 20)}).to_string();
    assert_eq!(send(json, &huge).summary(), TOO_LARGE);
}

#[test]
fn a_malformed_target_is_400_and_an_unusable_412() {
    let app = TestApp::start();
    let (access, _) = app.session_tokens(ANA_MAIL);
    let send = |query: &str| {
        let request = Request::post(&format!("/user-identities/change-app{query}"));
        app.send(request.bearer(&access)).summary()
    };
    let missing = r#"400 [{"code":"01","message":"targetClientId is required","field":"targetClientId"}]"#;
    for query in ["", "?targetClientId=", "?targetclientid=shop", "?clientId=shop"] {
        assert_eq!(send(query), missing, "{query}");
    }
    let malformed =
        r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ - .","field":"targetClientId"}]"#;
    for id in ["a%20b", "a%2Fb", "%C3%A9", "%00", &"x".repeat(65)] {
        assert_eq!(send(&format!("?targetClientId={id}")), malformed, "{id}");
    }
    assert_eq!(
        send("?targetClientId=shop&targetClientId=shop"),
        r#"400 [{"code":"01","message":"the query cannot be read, or has a parameter twice"}]"#
    );
    let unusable = r#"412 [{"code":"22","message":"the client is unknown, disabled, or not set up for this flow"}]"#;
    for id in ["nobody", "disabled", "Shop"] {
        assert_eq!(send(&format!("?targetClientId={id}")), unusable, "{id}");
    }
}

#[test]
fn validation_tokens_stay_invalid_after_an_unlock() {
    let app = TestApp::start();
    let (access, _) = app.session_tokens(ANA_MAIL);
    let without_session = app.user_token(ANA_MAIL, "portal");
    let validation_token = field(&app.send(change_to_shop(&access)).json(), "validationToken");
    let shop = app.client_token("shop");
    app.lock_or_unlock("lock", "ana");
    for token in [&access, &without_session] {
        assert_eq!(app.send(change_to_shop(token)).summary(), LOCKED);
    }
    assert_eq!(app.renew(&shop, &validation_token, "true").summary(), LOCKED);
    app.lock_or_unlock("unlock", "ana");
    for token in [&access, &without_session] {
        assert_eq!(app.send(change_to_shop(token)).summary(), NOT_VALID);
    }
    assert_eq!(app.renew(&shop, &validation_token, "true").summary(), NOT_VALID);
    let (fresh, _) = app.session_tokens(ANA_MAIL);
    assert_eq!(app.send(change_to_shop(&fresh)).status, 201);
}

#[test]
fn an_unlinked_business_is_412_and_a_removed_user_401() {
    let app = TestApp::start();
    let access = business_access_token(&app);
    assert_eq!(app.send(change_to_shop(&access)).status, 201);
    let mut ana = ana();
    ana.businesses.clear();
    app.wait_for(save_identity(&app.stores, &ana));
    assert_eq!(
        app.send(change_to_shop(&access)).summary(),
        r#"412 [{"code":"23","message":"the business is not linked to the user"}]"#
    );
    app.wait_for(remove_user(&app.stores, &user_id("ana")));
    assert_eq!(app.send(change_to_shop(&access)).summary(), NOT_VALID);
}

/// Signs an access token of Ana at the portal, for [`BUSINESS`].
pub(crate) fn business_access_token(app: &TestApp) -> String {
    let mut claims = user_claims(
        "ana",
        &["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"],
        &[],
    );
    claims["business_id"] = json!(BUSINESS);
    token(app, &claims)
}

#[test]
fn change_app_requires_a_user_with_the_roles() {
    let app = TestApp::start();
    for path in PATHS {
        let request = || Request::post(&format!("{path}?targetClientId=shop"));
        let portal = app.client_token("portal");
        assert_eq!(
            app.send(request().bearer(&portal)).summary(),
            forbidden_response("a token that carries a user is required")
        );
        assert_eq!(app.send(request()).codes(), (401, vec!["02".to_owned()]));
        assert_eq!(app.send(request().bearer("x")).codes(), (401, vec!["02".to_owned()]));
    }
    let mut ana = ana();
    ana.roles = vec!["USER".to_owned()];
    app.wait_for(save_identity(&app.stores, &ana));
    let (access, _) = app.session_tokens(ANA_MAIL);
    assert_eq!(
        app.send(change_to_shop(&access)).summary(),
        forbidden_response("the token lacks the role AUTH-BASIC")
    );
}
