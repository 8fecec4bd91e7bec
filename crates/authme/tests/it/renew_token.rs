//! Renewal with a presented token: docs/protocols.md "Rotation".

use serde_json::{Value, json};

use crate::fixtures::{self, ANA_MAIL, BIA_MAIL, BUSINESS, to_strings};
use crate::jwt::{claims, decode, kid, token, user_claims};
use crate::test_app::{ISSUER, NOT_VALID, START, TestApp, field};
use test_support::http::{Answer, Request};

const OWNER: [&str; 4] = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];

fn renewal() -> Request {
    Request::post("/user-identities/renew-token")
}

pub(crate) fn refresh_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.summary());
    field(&answer.json(), "refreshToken")
}

/// The caller's own token has a valid signature, and its client was disabled.
const INACTIVE: &str = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;

#[test]
fn a_validation_token_becomes_a_session() {
    let app = TestApp::start();
    let token = app.validation_token(ANA_MAIL, "portal");
    let answer = app.renew(&app.client_token("portal"), &token, "true");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut body = answer.json();
    let (access, refresh) = (field(&body, "accessToken"), field(&body, "refreshToken"));
    body["accessToken"] = json!("…");
    body["refreshToken"] = json!("…");
    let expected = json!({
        "accessToken": "…", "tokenType": "Bearer", "refreshToken": "…",
        "expiresIn": (START + 300).to_string(), "scope": ["READ", "WRITE"],
    });
    assert_eq!((answer.status, body), (200, expected));
    assert!(
        refresh.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c)),
        "{refresh}"
    );
    let family = refresh
        .strip_prefix("rt_")
        .and_then(|rest| rest.split('.').next())
        .expect("a family");
    let (header, mut claims) = decode(&access);
    assert_eq!(header, json!({"alg": "RS512", "typ": "at+jwt", "kid": kid(&app)}));
    claims["jti"] = json!("…");
    let expected = json!({
        "iss": ISSUER, "aud": "authme", "iat": START, "exp": START + 300, "jti": "…", "client_id": "portal",
        "client_epoch": 0, "sub": "ana", "user_id": "ana", "scope": "READ WRITE", "roles": OWNER, "sid": family, "epoch": 0,
    });
    assert_eq!(claims, expected);
}

#[test]
fn remember_me_accepts_all_documented_spellings() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    for (remember, keeps) in [
        ("true", true),
        ("TRUE", true),
        ("True", true),
        ("1", true),
        ("false", false),
        ("False", false),
        ("0", false),
    ] {
        let token = app.validation_token(ANA_MAIL, "portal");
        let answer = app.renew(&portal, &token, remember);
        assert_eq!(answer.status, 200, "{remember}");
        let body = answer.json();
        assert_eq!(body.get("refreshToken").is_some(), keeps, "{remember}");
        assert_eq!(
            claims(&field(&body, "accessToken")).get("sid").is_some(),
            keeps,
            "{remember}"
        );
    }
    let token = app.validation_token(ANA_MAIL, "portal");
    for bad in ["maybe", "yes", "2", "-1", "t", "tru\u{65}\u{301}"] {
        assert_eq!(
            app.renew(&portal, &token, bad).summary(),
            r#"400 [{"code":"01","message":"remember-me must be true, false, 1 or 0","field":"remember-me"}]"#,
            "{bad}"
        );
    }
    let absent = r#"400 [{"code":"01","message":"remember-me is required","field":"remember-me"}]"#;
    assert_eq!(app.renew(&portal, &token, "").summary(), absent);
    let without = app.send(renewal().query(&[("token", &token)]).bearer(&portal));
    assert_eq!(without.summary(), absent);
    assert_eq!(app.renew(&portal, &token, "true").status, 200);
}

#[test]
fn json_and_form_bodies_are_accepted() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let token = || app.validation_token(ANA_MAIL, "portal");
    let ok = |request: Request| assert_eq!(app.send(request.bearer(&portal)).status, 200);
    ok(renewal().json(&json!({"token": token(), "remember-me": true, "clientId": "portal", "userId": "ana"})));
    ok(renewal().json(&json!({"token": token(), "remember-me": "1", "clientId": "", "other": []})));
    ok(renewal().body(json!({"token": token(), "remember-me": 0}).to_string()));
    ok(renewal().form(&[("token", &token()), ("remember-me", "FALSE"), ("userId", "ana")]));
    ok(renewal()
        .query(&[("remember-me", "true")])
        .json(&json!({"token": token(), "remember-me": true})));
    let both = token();
    ok(renewal()
        .query(&[("token", &both), ("userId", "ana")])
        .form(&[("token", &both), ("remember-me", "1")]));
    let text = renewal().header("Content-Type", "text/plain").body("token=x");
    assert_eq!(
        app.send(text.bearer(&portal)).summary(),
        r#"415 [{"code":"01","message":"the content type of the body must be application/json or application/x-www-form-urlencoded"}]"#
    );
}

#[test]
fn contradictory_query_and_body_return_400() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let token = app.validation_token(ANA_MAIL, "portal");
    let query = [
        ("token", token.as_str()),
        ("remember-me", "true"),
        ("clientId", "portal"),
        ("userId", "ana"),
    ];
    for (field, body) in [
        ("token", json!({"token": "another"})),
        ("remember-me", json!({"remember-me": false})),
        ("clientId", json!({"clientId": "shop"})),
        ("userId", json!({"userId": "bia"})),
    ] {
        let answer = app.send(renewal().query(&query).bearer(&portal).json(&body));
        let expected = json!([{"code": "01", "message": format!("{field} has different values in the query and the body"), "field": field}]);
        assert_eq!((answer.status, answer.json()), (400, expected));
        let value = body[field]
            .as_str()
            .map_or_else(|| body[field].to_string(), str::to_owned);
        let answer = app.send(renewal().query(&query).bearer(&portal).form(&[(field, &value)]));
        assert_eq!(answer.codes(), (400, to_strings(&["01"])), "{field}");
    }
    assert_eq!(app.renew(&portal, &token, "true").status, 200);
}

#[test]
fn duplicate_or_incomplete_parameters_return_400() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let send = |request: Request| app.send(request.bearer(&portal)).summary();
    let neither = concat!(
        r#"400 [{"code":"01","message":"either token and remember-me, "#,
        r#"or userId and clientId, are required"}]"#
    );
    assert_eq!(send(renewal()), neither);
    assert_eq!(send(renewal().body("")), neither);
    assert_eq!(
        send(renewal().query(&[("token", ""), ("remember-me", "true")])),
        neither
    );
    assert_eq!(send(renewal().query(&[("userId", "ana")])), neither);
    assert_eq!(
        send(renewal().query(&[("clientId", "portal"), ("userId", "")])),
        neither
    );
    assert_eq!(
        send(renewal().query(&[("token", "a"), ("token", "a"), ("remember-me", "true")])),
        r#"400 [{"code":"01","message":"the query cannot be read, or has a parameter twice"}]"#
    );
    let form = renewal().form(&[("token", "a"), ("token", "b"), ("remember-me", "true")]);
    assert_eq!(
        send(form),
        r#"400 [{"code":"01","message":"the form cannot be read, or has a field twice"}]"#
    );
    let id = r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"userId"}]"#;
    for user in ["me", "a b", "a/b", "é", &"x".repeat(65)] {
        assert_eq!(
            send(renewal().query(&[("userId", user), ("clientId", "portal")])),
            id,
            "{user}"
        );
    }
}

#[test]
fn client_and_user_must_match_the_token() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let token = app.validation_token(ANA_MAIL, "portal");
    let send = |extra: &[(&str, &str)], token: &str| {
        let mut query = vec![("token", token), ("remember-me", "true")];
        query.extend_from_slice(extra);
        app.send(renewal().query(&query).bearer(&portal))
    };
    let rejection = r#"400 [{"code":"01","message":"clientId or userId does not agree with the token"}]"#;
    assert_eq!(send(&[("clientId", "shop")], &token).summary(), rejection);
    assert_eq!(send(&[("userId", "bia")], &token).summary(), rejection);
    let refresh = refresh_of(&send(&[("clientId", "portal"), ("userId", "ana")], &token));
    assert_eq!(send(&[("clientId", "shop")], &refresh).summary(), rejection);
    assert_eq!(send(&[("userId", "bia")], &refresh).summary(), rejection);
    let next = refresh_of(&send(&[("clientId", "portal"), ("userId", "ana")], &refresh));
    // The rejected requests rotated nothing.
    assert!(next.contains(".2."), "{next}");
}

#[test]
fn tokens_of_others_return_401_and_change_nothing() {
    let app = TestApp::start();
    let refresh = field(&app.session(ANA_MAIL), "refreshToken");
    let validation = app.validation_token(ANA_MAIL, "portal");
    let bia = token(&app, &user_claims("bia", &OWNER, &[]));
    for bearer in [app.client_token("shop"), bia] {
        for presented in [&refresh, &validation] {
            for remember in ["true", "false"] {
                assert_eq!(app.renew(&bearer, presented, remember).summary(), NOT_VALID);
            }
        }
    }
    let portal = app.client_token("portal");
    assert!(refresh_of(&app.renew(&portal, &refresh, "true")).contains(".2."));
    assert_eq!(app.renew(&portal, &validation, "true").status, 200);
    assert_eq!(app.event_types("ana"), ["session.started", "session.started"]);
}

#[test]
fn a_user_renews_with_an_access_token() {
    let app = TestApp::start();
    let session = app.session(BIA_MAIL);
    let renewed = app.renew(
        &field(&session, "accessToken"),
        &field(&session, "refreshToken"),
        "true",
    );
    assert_eq!(claims(&field(&renewed.json(), "accessToken"))["user_id"], "bia");
}

#[test]
fn business_roles_follow_the_link() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let body = json!({"email": ANA_MAIL, "groups": [], "businessId": BUSINESS});
    let validation = || field(&app.saml_login("portal", &body).json(), "validationToken");
    let roles = |answer: &Answer| -> (Value, Value) {
        let claims = claims(&field(&answer.json(), "accessToken"));
        (claims["business_id"].clone(), claims["roles"].clone())
    };
    let first = app.renew(&portal, &validation(), "true");
    let mut expected = OWNER.to_vec();
    expected.push("BUYER");
    assert_eq!(roles(&first), (json!(BUSINESS), json!(expected)));
    let unused = validation();

    let mut ana = fixtures::ana();
    ana.businesses[0].roles = to_strings(&["SELLER"]);
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let second = app.renew(&portal, &refresh_of(&first), "true");
    expected[4] = "SELLER";
    assert_eq!(roles(&second), (json!(BUSINESS), json!(expected)));

    ana.businesses.clear();
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let not_linked = r#"412 [{"code":"23","message":"the business is not linked to the user"}]"#;
    let refresh = refresh_of(&second);
    assert_eq!(app.renew(&portal, &refresh, "true").summary(), not_linked);
    assert_eq!(app.renew(&portal, &unused, "true").summary(), not_linked);

    app.wait_for(fixtures::save_identity(&app.stores, &fixtures::ana()));
    assert_eq!(app.renew(&portal, &refresh, "true").status, 200);
}

#[test]
fn withdrawn_roles_are_gone_at_the_next_renewal() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let refresh = field(&app.session(ANA_MAIL), "refreshToken");
    let mut client = fixtures::client("portal", &["CLI-1STPARTY"], &["READ"]);
    app.wait_for(fixtures::save_client(&app.stores, &client));
    let renewed = app.renew(&portal, &refresh, "true");
    assert_eq!(renewed.json()["scope"], json!(["READ"]));
    let claims = claims(&field(&renewed.json(), "accessToken"));
    assert_eq!(claims["roles"], json!(["CLI-1STPARTY", "AUTH-BASIC", "USER"]));

    client.is_enabled = false;
    app.wait_for(fixtures::save_client(&app.stores, &client));
    assert_eq!(app.renew(&portal, &refresh_of(&renewed), "true").summary(), INACTIVE);
}

#[test]
fn a_removed_user_returns_412() {
    let app = TestApp::start();
    let (portal, refresh) = (
        app.client_token("portal"),
        field(&app.session(BIA_MAIL), "refreshToken"),
    );
    app.wait_for(fixtures::remove_user(&app.stores, &fixtures::user_id("bia")));
    assert_eq!(
        app.renew(&portal, &refresh, "true").summary(),
        r#"412 [{"code":"04","message":"the user is not known"}]"#
    );
}

#[test]
fn a_disabled_client_does_not_learn_of_a_lock() {
    let app = TestApp::start();
    let (portal, refresh) = (
        app.client_token("portal"),
        field(&app.session(ANA_MAIL), "refreshToken"),
    );
    let validation = app.validation_token(ANA_MAIL, "portal");
    let mut client = fixtures::client("portal", &[], &[]);
    client.is_enabled = false;
    app.wait_for(fixtures::save_client(&app.stores, &client));
    app.lock_or_unlock("lock", "ana");
    for token in [&refresh, &validation] {
        for named in ["", "portal", "portal.idp"] {
            let query = [("token", token.as_str()), ("remember-me", "true"), ("clientId", named)];
            let answer = app.send(renewal().query(&query).bearer(&portal));
            assert_eq!(answer.summary(), INACTIVE, "clientId={named}");
        }
    }
}
