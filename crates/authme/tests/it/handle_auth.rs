//! The SAML hand-off (01-api 3.3).

use serde_json::{Value, json};

use crate::fixtures::{self, ANA_MAIL, BUSINESS, owned};
use crate::jwt::claims;
use crate::test_app::{Setup, TestApp, field};
use crate::wire::{Answer, Request};

fn body() -> Value {
    json!({"email": ANA_MAIL, "groups": []})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = body();
    body[name] = value;
    body
}

/// Roles of the tokens that a hand-off leads to.
fn roles_after(app: &TestApp, target: &str, body: &Value) -> Vec<String> {
    let handed = app.hand_off(target, body);
    assert_eq!(handed.status, 200, "{}", handed.shown());
    let bearer = app.client_token(target);
    let renewed = app.renew(&bearer, &field(&handed.json(), "validationToken"), "false");
    let claims = claims(&field(&renewed.json(), "accessToken"));
    serde_json::from_value(claims["roles"].clone()).expect("roles are texts")
}

fn shown(answer: &Answer) -> String {
    let mut body = answer.json();
    let token = field(&body, "validationToken");
    assert!(token.len() >= 64, "{token}");
    assert!(
        token.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c)),
        "{token}"
    );
    body["validationToken"] = json!("…");
    format!("{} {body}", answer.status)
}

#[test]
fn a_user_is_handed_over_to_the_target() {
    let app = TestApp::start();
    let answer = app.hand_off(
        "portal",
        &json!({"email": "Example@BR.experian.COM", "groups": ["IDC_GERENCIADOR_MANAGER"], "fullName": "Ana",
            "mainframeLogon": "ABC1234", "businessId": BUSINESS, "unknown": 1}),
    );
    assert_eq!(
        shown(&answer),
        r#"200 {"ip":"127.0.0.1","originClientId":"gateway","userId":"ana","validationToken":"…"}"#
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn the_validation_token_is_bound_to_its_target_and_works_once() {
    let app = TestApp::start();
    let token = app.validation(ANA_MAIL, "portal");
    let (portal, shop) = (app.client_token("portal"), app.client_token("shop"));
    let refused = r#"401 [{"code":"20","message":"the token is unknown, expired, used or revoked"}]"#;
    assert_eq!(app.renew(&shop, &token, "true").shown(), refused);
    assert_eq!(app.renew(&portal, &token, "true").status, 200);
    assert_eq!(app.renew(&portal, &token, "true").shown(), refused);
}

#[test]
fn the_validation_token_lives_sixty_seconds() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let (one, two) = (app.validation(ANA_MAIL, "portal"), app.validation(ANA_MAIL, "portal"));
    app.clock.advance(59);
    assert_eq!(app.renew(&portal, &one, "true").status, 200);
    app.clock.advance(1);
    assert_eq!(app.renew(&portal, &two, "true").codes(), (401, owned(&["20"])));
}

#[test]
fn an_unknown_address_is_412_unless_the_target_makes_users() {
    let app = TestApp::start();
    let unknown = json!({"email": "who@example.com", "groups": [], "fullName": "Who", "businessId": BUSINESS});
    assert_eq!(
        app.hand_off("portal", &unknown).shown(),
        r#"412 [{"code":"04","message":"the user is not known"}]"#
    );
    let made = field(&app.hand_off("maker", &unknown).json(), "userId");
    assert_eq!(made.len(), 24);
    assert!(made.chars().all(|c| c.is_ascii_hexdigit()));
    // From then on the user is there for everyone, and is made once.
    let again = json!({"email": "WHO@example.com", "groups": []});
    for target in ["portal", "maker"] {
        assert_eq!(app.hand_off(target, &again).json()["userId"], made);
    }
    let roles = roles_after(&app, "maker", &unknown);
    assert_eq!(roles, ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
}

#[test]
fn known_groups_grant_their_roles_and_unknown_ones_nothing() {
    let app = TestApp::start();
    let groups = json!(["NOBODY_KNOWS", "IDC_GERENCIADOR_MANAGER"]);
    let mut plain = owned(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
    assert_eq!(roles_after(&app, "portal", &body()), plain);
    plain.push("MANAGER".to_owned());
    assert_eq!(roles_after(&app, "portal", &with("groups", groups)), plain);
}

#[test]
fn a_target_that_requires_known_groups_refuses_others() {
    let app = TestApp::start();
    let groups = |groups: Value| app.hand_off("strict", &with("groups", groups));
    let refused = r#"412 [{"code":"24","message":"a group is not known, or the caller may not assert it"}]"#;
    assert_eq!(
        groups(json!(["IDC_GERENCIADOR_MANAGER", "NOBODY_KNOWS"])).shown(),
        refused
    );
    assert_eq!(groups(json!(["idc_gerenciador_manager"])).shown(), refused);
    assert_eq!(groups(json!(["IDC_GERENCIADOR_MANAGER"])).status, 200);
    assert_eq!(groups(json!([])).status, 200);
}

#[test]
fn a_business_must_be_linked() {
    let app = TestApp::start();
    let refused = r#"412 [{"code":"23","message":"the business is not linked to the user"}]"#;
    assert_eq!(
        app.hand_off("portal", &with("businessId", json!("another"))).shown(),
        refused
    );
    assert_eq!(app.hand_off("portal", &with("businessId", json!(BUSINESS))).status, 200);
    assert_eq!(app.hand_off("portal", &with("businessId", json!(""))).status, 200);
}

#[test]
fn a_target_must_be_known_enabled_and_set_up_for_saml() {
    let app = TestApp::start();
    for target in ["unknown", "disabled", "locker", "portal.idp"] {
        assert_eq!(
            app.hand_off(target, &body()).shown(),
            r#"412 [{"code":"22","message":"the client is unknown, disabled, or not set up for this flow"}]"#,
            "{target}"
        );
    }
}

#[test]
fn a_locked_user_is_not_handed_over() {
    let app = TestApp::start();
    assert_eq!(app.lock_or_unlock("lock", "ana").status, 204);
    let locked = r#"412 [{"code":"21","message":"the credential is locked"}]"#;
    assert_eq!(app.hand_off("portal", &body()).shown(), locked);
    assert_eq!(app.hand_off("maker", &body()).shown(), locked);
    assert_eq!(app.lock_or_unlock("unlock", "ana").status, 204);
    assert_eq!(app.hand_off("portal", &body()).status, 200);
}

#[test]
fn what_cannot_be_read_or_is_missing_is_400() {
    let app = TestApp::start();
    let gateway = app.client_token("gateway");
    let ask = |query: &[(&str, &str)], body: &Value| {
        let request = Request::post("/user-identities/handle-auth").query(query);
        app.ask(request.bearer(&gateway).json(body)).shown()
    };
    let target = [("clientId", "portal")];
    let missing = |field: &str| format!(r#"400 [{{"code":"01","message":"{field} is required","field":"{field}"}}]"#);
    assert_eq!(ask(&target, &json!({"groups": []})), missing("email"));
    assert_eq!(ask(&target, &json!({"email": ANA_MAIL})), missing("groups"));
    assert_eq!(ask(&target, &json!({"email": null, "groups": null})), missing("email"));
    assert_eq!(ask(&[("other", "x")], &body()), missing("clientId"));
    assert_eq!(ask(&[("clientId", "")], &body()), missing("clientId"));
    for address in ["nope", "", "a@b@c", "a b@example.com", "@example.com"] {
        assert_eq!(
            ask(&target, &with("email", json!(address))),
            r#"400 [{"code":"08","message":"email is not a valid e-mail address","field":"email"}]"#
        );
    }
    assert_eq!(
        ask(&[("clientId", "a b")], &body()),
        r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ - .","field":"clientId"}]"#
    );
    assert_eq!(
        ask(&target, &with("businessId", json!("a.b"))),
        r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"businessId"}]"#
    );
    assert_eq!(
        ask(&[("clientId", "portal"), ("clientId", "portal")], &body()),
        r#"400 [{"code":"01","message":"the query cannot be read, or holds a field twice"}]"#
    );
}

#[test]
fn an_address_in_the_body_wins_and_must_be_one() {
    let app = TestApp::start();
    let ip = |ip: &str| app.hand_off("portal", &with("ip", json!(ip)));
    assert_eq!(ip("203.0.113.7").json()["ip"], "203.0.113.7");
    assert_eq!(ip("2001:db8::7").json()["ip"], "2001:db8::7");
    for bad in ["203.0.113", "203.0.113.7:80", "localhost", "1.2.3.4, 5.6.7.8"] {
        assert_eq!(
            ip(bad).shown(),
            r#"400 [{"code":"01","message":"ip is not an address","field":"ip"}]"#
        );
    }
}

#[test]
fn forwarded_addresses_are_believed_behind_a_trusted_proxy_only() {
    let ip = |app: &TestApp, body: &Value| {
        let request = Request::post("/user-identities/handle-auth").query(&[("clientId", "portal")]);
        let request = request.header("X-Forwarded-For", "198.51.100.1, 203.0.113.7");
        app.ask(request.bearer(&app.client_token("gateway")).json(body)).json()["ip"].clone()
    };
    assert_eq!(ip(&TestApp::start(), &body()), "127.0.0.1");
    let behind = TestApp::start_with(Setup {
        trusted_proxies: owned(&["127.0.0.0/8"]),
        ..Setup::default()
    });
    assert_eq!(ip(&behind, &body()), "203.0.113.7");
    assert_eq!(ip(&behind, &with("ip", json!("192.0.2.1"))), "192.0.2.1");
}

#[test]
fn two_hand_offs_at_once_make_one_user() {
    let app = TestApp::start();
    let gateway = app.client_token("gateway");
    let hand_off = || {
        let request = Request::post("/user-identities/handle-auth").query(&[("clientId", "maker")]);
        let body = json!({"email": "new@example.com", "groups": []});
        crate::wire::ask(app.address, request.bearer(&gateway).json(&body))
    };
    let barrier = std::sync::Barrier::new(8);
    let ids: Vec<Value> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    hand_off().json()["userId"].clone()
                })
            })
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().expect("a caller ends well"))
            .collect()
    });
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn roles_are_those_of_now() {
    let app = TestApp::start();
    let handed = app.hand_off("portal", &body());
    let mut ana = fixtures::ana();
    ana.roles = owned(&["AUTH-BASIC", "NEW"]);
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let portal = app.client_token("portal");
    let renewed = app
        .renew(&portal, &field(&handed.json(), "validationToken"), "false")
        .json();
    let roles = claims(&field(&renewed, "accessToken"))["roles"].clone();
    assert_eq!(
        roles,
        json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "NEW"])
    );
}
