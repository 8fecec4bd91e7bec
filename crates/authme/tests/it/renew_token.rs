//! Renewal by a presented token (01-api 3.2, 03-protocols 1).

use serde_json::{Value, json};

use crate::fixtures::{self, ANA_MAIL, BIA_MAIL, BUSINESS, owned};
use crate::jwt::{claims, kid, taken_apart, token, user_claims};
use crate::test_app::{BEGIN, ISSUER, TestApp, field};
use crate::wire::{Answer, Request};

const OWNER: [&str; 4] = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];
pub(crate) const NOT_VALID: &str = r#"401 [{"code":"20","message":"the token is unknown, expired, used or revoked"}]"#;

fn renewal() -> Request {
    Request::post("/user-identities/renew-token")
}

pub(crate) fn refresh_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.shown());
    field(&answer.json(), "refreshToken")
}

/// The caller's own token is signed well, and its client was disabled.
const NOT_ALIVE: &str = r#"401 [{"code":"02","message":"the bearer token is no longer valid"}]"#;

#[test]
fn a_validation_token_becomes_a_session() {
    let app = TestApp::start();
    let token = app.validation(ANA_MAIL, "portal");
    let answer = app.renew(&app.client_token("portal"), &token, "true");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut body = answer.json();
    let (access, refresh) = (field(&body, "accessToken"), field(&body, "refreshToken"));
    body["accessToken"] = json!("…");
    body["refreshToken"] = json!("…");
    let expected = json!({
        "accessToken": "…", "tokenType": "Bearer", "refreshToken": "…",
        "expiresIn": (BEGIN + 300).to_string(), "scope": ["READ", "WRITE"],
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
    let (header, mut claims) = taken_apart(&access);
    assert_eq!(header, json!({"alg": "RS512", "typ": "at+jwt", "kid": kid(&app)}));
    claims["jti"] = json!("…");
    let expected = json!({
        "iss": ISSUER, "aud": "authme", "iat": BEGIN, "exp": BEGIN + 300, "jti": "…", "client_id": "portal",
        "client_epoch": 0, "sub": "ana", "user_id": "ana", "scope": "READ WRITE", "roles": OWNER, "sid": family, "epoch": 0,
    });
    assert_eq!(claims, expected);
}

#[test]
fn remember_me_is_a_boolean_as_callers_write_it() {
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
        let token = app.validation(ANA_MAIL, "portal");
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
    let token = app.validation(ANA_MAIL, "portal");
    for bad in ["maybe", "yes", "2", "-1", "t", "tru\u{65}\u{301}"] {
        assert_eq!(
            app.renew(&portal, &token, bad).shown(),
            r#"400 [{"code":"01","message":"remember-me is not a boolean","field":"remember-me"}]"#,
            "{bad}"
        );
    }
    let absent = r#"400 [{"code":"01","message":"remember-me is required","field":"remember-me"}]"#;
    assert_eq!(app.renew(&portal, &token, "").shown(), absent);
    let without = app.ask(renewal().query(&[("token", &token)]).bearer(&portal));
    assert_eq!(without.shown(), absent);
    assert_eq!(app.renew(&portal, &token, "true").status, 200);
}

#[test]
fn the_fields_may_stand_in_a_json_or_a_form_body() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let token = || app.validation(ANA_MAIL, "portal");
    let ok = |request: Request| assert_eq!(app.ask(request.bearer(&portal)).status, 200);
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
        app.ask(text.bearer(&portal)).shown(),
        r#"415 [{"code":"01","message":"the body must be application/json or application/x-www-form-urlencoded"}]"#
    );
}

#[test]
fn query_and_body_that_disagree_are_400_and_nothing_is_used() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let token = app.validation(ANA_MAIL, "portal");
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
        let answer = app.ask(renewal().query(&query).bearer(&portal).json(&body));
        let expected =
            json!([{"code": "01", "message": format!("{field} differs between query and body"), "field": field}]);
        assert_eq!((answer.status, answer.json()), (400, expected));
        let value = body[field]
            .as_str()
            .map_or_else(|| body[field].to_string(), str::to_owned);
        let answer = app.ask(renewal().query(&query).bearer(&portal).form(&[(field, &value)]));
        assert_eq!(answer.codes(), (400, owned(&["01"])), "{field}");
    }
    assert_eq!(app.renew(&portal, &token, "true").status, 200);
}

#[test]
fn a_field_twice_and_neither_way_complete_are_400() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let ask = |request: Request| app.ask(request.bearer(&portal)).shown();
    let neither = concat!(
        r#"400 [{"code":"01","message":"either token and remember-me, "#,
        r#"or userId and clientId, are required"}]"#
    );
    assert_eq!(ask(renewal()), neither);
    assert_eq!(ask(renewal().body("")), neither);
    assert_eq!(ask(renewal().query(&[("token", ""), ("remember-me", "true")])), neither);
    assert_eq!(ask(renewal().query(&[("userId", "ana")])), neither);
    assert_eq!(ask(renewal().query(&[("clientId", "portal"), ("userId", "")])), neither);
    assert_eq!(
        ask(renewal().query(&[("token", "a"), ("token", "a"), ("remember-me", "true")])),
        r#"400 [{"code":"01","message":"the query cannot be read, or holds a field twice"}]"#
    );
    let form = renewal().form(&[("token", "a"), ("token", "b"), ("remember-me", "true")]);
    assert_eq!(ask(form), r#"400 [{"code":"01","message":"the form cannot be read"}]"#);
    let id = r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"userId"}]"#;
    for user in ["me", "a b", "a/b", "é", &"x".repeat(65)] {
        assert_eq!(
            ask(renewal().query(&[("userId", user), ("clientId", "portal")])),
            id,
            "{user}"
        );
    }
}

#[test]
fn client_and_user_beside_a_token_must_agree_with_it() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let token = app.validation(ANA_MAIL, "portal");
    let ask = |extra: &[(&str, &str)], token: &str| {
        let mut query = vec![("token", token), ("remember-me", "true")];
        query.extend_from_slice(extra);
        app.ask(renewal().query(&query).bearer(&portal))
    };
    let refused = r#"400 [{"code":"01","message":"clientId or userId does not agree with the token"}]"#;
    assert_eq!(ask(&[("clientId", "shop")], &token).shown(), refused);
    assert_eq!(ask(&[("userId", "bia")], &token).shown(), refused);
    let refresh = refresh_of(&ask(&[("clientId", "portal"), ("userId", "ana")], &token));
    assert_eq!(ask(&[("clientId", "shop")], &refresh).shown(), refused);
    assert_eq!(ask(&[("userId", "bia")], &refresh).shown(), refused);
    let next = refresh_of(&ask(&[("clientId", "portal"), ("userId", "ana")], &refresh));
    // Nothing was rotated by the refused ones.
    assert!(next.contains(".2."), "{next}");
}

#[test]
fn a_token_of_another_client_or_user_is_401_and_nothing_changes() {
    let app = TestApp::start();
    let refresh = field(&app.session(ANA_MAIL), "refreshToken");
    let validation = app.validation(ANA_MAIL, "portal");
    let bia = token(&app, &user_claims("bia", &OWNER, &[]));
    for bearer in [app.client_token("shop"), bia] {
        for presented in [&refresh, &validation] {
            for remember in ["true", "false"] {
                assert_eq!(app.renew(&bearer, presented, remember).shown(), NOT_VALID);
            }
        }
    }
    let portal = app.client_token("portal");
    assert!(refresh_of(&app.renew(&portal, &refresh, "true")).contains(".2."));
    assert_eq!(app.renew(&portal, &validation, "true").status, 200);
    assert_eq!(app.event_types("ana"), ["session.started", "session.started"]);
}

#[test]
fn a_user_renews_with_the_own_access_token() {
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
    let validation = || field(&app.hand_off("portal", &body).json(), "validationToken");
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
    ana.businesses[0].roles = owned(&["SELLER"]);
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let second = app.renew(&portal, &refresh_of(&first), "true");
    expected[4] = "SELLER";
    assert_eq!(roles(&second), (json!(BUSINESS), json!(expected)));

    ana.businesses.clear();
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let gone = r#"412 [{"code":"23","message":"the business is not linked to the user"}]"#;
    let refresh = refresh_of(&second);
    assert_eq!(app.renew(&portal, &refresh, "true").shown(), gone);
    assert_eq!(app.renew(&portal, &unused, "true").shown(), gone);

    app.wait_for(fixtures::save_identity(&app.stores, &fixtures::ana()));
    assert_eq!(app.renew(&portal, &refresh, "true").status, 200);
}

#[test]
fn what_was_withdrawn_is_gone_at_the_next_renewal() {
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
    assert_eq!(app.renew(&portal, &refresh_of(&renewed), "true").shown(), NOT_ALIVE);
}

#[test]
fn a_user_that_is_gone_is_412() {
    let app = TestApp::start();
    let (portal, refresh) = (
        app.client_token("portal"),
        field(&app.session(BIA_MAIL), "refreshToken"),
    );
    let removed = app.wait_for(app.stores.identities.remove(&fixtures::user_id("bia")));
    assert!(removed.expect("the store answers"));
    assert_eq!(
        app.renew(&portal, &refresh, "true").shown(),
        r#"412 [{"code":"04","message":"the user is not known"}]"#
    );
}

#[test]
fn a_client_that_is_disabled_is_told_no_lock() {
    let app = TestApp::start();
    let (portal, refresh) = (
        app.client_token("portal"),
        field(&app.session(ANA_MAIL), "refreshToken"),
    );
    let validation = app.validation(ANA_MAIL, "portal");
    let mut client = fixtures::client("portal", &[], &[]);
    client.is_enabled = false;
    app.wait_for(fixtures::save_client(&app.stores, &client));
    app.lock_or_unlock("lock", "ana");
    for token in [&refresh, &validation] {
        for named in ["", "portal", "portal.idp"] {
            let query = [("token", token.as_str()), ("remember-me", "true"), ("clientId", named)];
            let answer = app.ask(renewal().query(&query).bearer(&portal));
            assert_eq!(answer.shown(), NOT_ALIVE, "clientId={named}");
        }
    }
}
