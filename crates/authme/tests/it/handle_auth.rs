//! The SAML login (`handle-auth`): docs/api.md "Request bodies and parameters".

use serde_json::{Value, json};

use crate::fixtures::{self, ANA_MAIL, BUSINESS, to_strings};
use crate::jwt::claims;
use crate::renew_token::refresh_of;
use crate::test_app::{LOCKED, NOT_VALID, Setup, TestApp, field};
use test_support::http::{Answer, Request};

fn body() -> Value {
    json!({"email": ANA_MAIL, "groups": []})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = body();
    body[name] = value;
    body
}

/// Returns the roles of the access token after a SAML login.
fn roles_after(app: &TestApp, target: &str, body: &Value) -> Vec<String> {
    let login = app.saml_login(target, body);
    assert_eq!(login.status, 200, "{}", login.summary());
    let bearer = app.client_token(target);
    let renewed = app.renew(&bearer, &field(&login.json(), "validationToken"), "false");
    let claims = claims(&field(&renewed.json(), "accessToken"));
    serde_json::from_value(claims["roles"].clone()).expect("roles are texts")
}

fn summarize(answer: &Answer) -> String {
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
fn saml_login_returns_a_validation_token() {
    let app = TestApp::start();
    let answer = app.saml_login(
        "portal",
        &json!({"email": "Example@BR.experian.COM", "groups": ["IDC_GERENCIADOR_MANAGER"], "fullName": "Ana",
            "mainframeLogon": "ABC1234", "businessId": BUSINESS, "unknown": 1}),
    );
    assert_eq!(
        summarize(&answer),
        r#"200 {"ip":"127.0.0.1","originClientId":"gateway","userId":"ana","validationToken":"…"}"#
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_validation_token_works_once_for_its_target() {
    let app = TestApp::start();
    let token = app.validation_token(ANA_MAIL, "portal");
    let (portal, shop) = (app.client_token("portal"), app.client_token("shop"));
    assert_eq!(app.renew(&shop, &token, "true").summary(), NOT_VALID);
    assert_eq!(app.renew(&portal, &token, "true").status, 200);
    assert_eq!(app.renew(&portal, &token, "true").summary(), NOT_VALID);
}

#[test]
fn a_validation_token_starts_one_session_within_the_grace_time() {
    let app = TestApp::with_settings(&[("tokens.redemption_grace", "30s")]);
    let token = app.validation_token(ANA_MAIL, "portal");
    let (portal, shop) = (app.client_token("portal"), app.client_token("shop"));
    assert_eq!(app.renew(&shop, &token, "true").summary(), NOT_VALID);
    let refresh = refresh_of(&app.renew(&portal, &token, "true"));
    // The answer may have been lost: it is given again for 30 seconds, to this client alone.
    app.clock.advance_seconds(29);
    assert_eq!(refresh_of(&app.renew(&portal, &token, "true")), refresh);
    assert_eq!(app.renew(&portal, &token, "false").summary(), NOT_VALID);
    assert_eq!(app.renew(&shop, &token, "true").summary(), NOT_VALID);
    app.clock.advance_seconds(1);
    assert_eq!(app.renew(&portal, &token, "true").summary(), NOT_VALID);
    assert_eq!(app.renew(&portal, &refresh, "true").status, 200);
    assert_eq!(app.event_types("ana"), ["session.started"]);
}

#[test]
fn an_assertion_gets_one_validation_token() {
    let app = TestApp::start();
    let mut login = with("assertionId", json!("_d71a3a8e9f"));
    login["notOnOrAfter"] = json!("2026-01-01T00:05:00Z");
    assert_eq!(
        summarize(&app.saml_login("portal", &login)),
        r#"200 {"ip":"127.0.0.1","originClientId":"gateway","userId":"ana","validationToken":"…"}"#
    );
    let used = r#"401 [{"code":"20","message":"the assertion was used before","field":"assertionId"}]"#;
    for target in ["portal", "shop"] {
        assert_eq!(app.saml_login(target, &login).summary(), used);
    }
    assert_eq!(app.saml_login("portal", &with("assertionId", json!("_2"))).status, 200);
    // Null is absent, as for every optional member.
    for _ in 0..2 {
        assert_eq!(app.saml_login("portal", &with("assertionId", json!(null))).status, 200);
    }
}

#[test]
fn an_assertion_that_has_ended_is_refused() {
    let app = TestApp::start();
    let ending = |text: &str| app.saml_login("portal", &with("notOnOrAfter", json!(text))).summary();
    let expired = r#"401 [{"code":"20","message":"the assertion has expired","field":"notOnOrAfter"}]"#;
    assert_eq!(ending("2026-01-01T00:00:00Z"), expired);
    assert_eq!(ending("2025-12-31T22:00:00-02:00"), expired);
    assert_eq!(
        ending("2026-01-02T00:00:01Z"),
        r#"400 [{"code":"01","message":"notOnOrAfter must be at most 24 hours ahead","field":"notOnOrAfter"}]"#
    );
    assert!(ending("2026-01-01T21:00:00-03:00").starts_with("200 "));
    for bad in ["", "soon", "1767225600", "2026-01-01", "2026-01-01T00:05:00"] {
        assert_eq!(
            ending(bad),
            r#"400 [{"code":"01","message":"notOnOrAfter must be a time as in RFC 3339","field":"notOnOrAfter"}]"#,
            "{bad}"
        );
    }
}

#[test]
fn an_assertion_id_has_1_to_256_bytes() {
    let app = TestApp::start();
    let rejected = r#"400 [{"code":"01","message":"assertionId must have 1 to 256 bytes","field":"assertionId"}]"#;
    for bad in [String::new(), "x".repeat(257)] {
        assert_eq!(
            app.saml_login("portal", &with("assertionId", json!(bad))).summary(),
            rejected
        );
    }
    assert_eq!(
        app.saml_login("portal", &with("assertionId", json!("x".repeat(256))))
            .status,
        200
    );
    assert_eq!(app.saml_login("portal", &with("assertionId", json!(7))).status, 400);
}

#[test]
fn a_validation_token_expires_after_sixty_seconds() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let (one, two) = (
        app.validation_token(ANA_MAIL, "portal"),
        app.validation_token(ANA_MAIL, "portal"),
    );
    app.clock.advance_seconds(59);
    assert_eq!(app.renew(&portal, &one, "true").status, 200);
    app.clock.advance_seconds(1);
    assert_eq!(app.renew(&portal, &two, "true").codes(), (401, to_strings(&["20"])));
}

#[test]
fn unknown_users_return_412_unless_the_target_creates_users() {
    let app = TestApp::start();
    let unknown = json!({"email": "who@example.com", "groups": [], "fullName": "Who", "businessId": BUSINESS});
    assert_eq!(
        app.saml_login("portal", &unknown).summary(),
        r#"412 [{"code":"04","message":"the user is not known"}]"#
    );
    let created_id = field(&app.saml_login("maker", &unknown).json(), "userId");
    assert_eq!(created_id.len(), 24);
    assert!(created_id.chars().all(|c| c.is_ascii_hexdigit()));
    // The new user can be used everywhere, and is created only once.
    let again = json!({"email": "WHO@example.com", "groups": []});
    for target in ["portal", "maker"] {
        assert_eq!(app.saml_login(target, &again).json()["userId"], created_id);
    }
    let roles = roles_after(&app, "maker", &unknown);
    assert_eq!(roles, ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
}

#[test]
fn a_look_alike_address_is_not_another_user() {
    let app = TestApp::start();
    let login = |email: &str| app.saml_login("maker", &json!({"email": email, "groups": []}));
    let victim = field(&login("k.victim@example.com").json(), "userId");
    assert_eq!(field(&login("K.Victim@EXAMPLE.com").json(), "userId"), victim);
    // U+212A, the Kelvin sign: Unicode's lower case of it is the ASCII letter `k`.
    for address in ["\u{212a}.victim@example.com", "ｋ.victim@example.com"] {
        assert_eq!(login(address).codes(), (400, to_strings(&["08"])), "{address}");
    }
    // In a domain, UTS 46 maps it to `k`, as browsers and resolvers do.
    let kite = field(&login("ana@kite.example").json(), "userId");
    assert_eq!(field(&login("ana@\u{212a}ite.example").json(), "userId"), kite);
}

#[test]
fn an_internationalized_domain_is_one_login_in_any_spelling() {
    let app = TestApp::start();
    let login = |email: &str| app.saml_login("maker", &json!({"email": email, "groups": []}));
    let user = field(&login("josé@münchen.de").json(), "userId");
    for address in ["josé@MÜNCHEN.de", "josé@mu\u{308}nchen.de", "josé@XN--mnchen-3ya.de"] {
        assert_eq!(field(&login(address).json(), "userId"), user, "{address}");
    }
    assert_ne!(field(&login("josÉ@münchen.de").json(), "userId"), user);
}

#[test]
fn known_groups_grant_their_roles() {
    let app = TestApp::start();
    let groups = json!(["UNKNOWN_GROUP", "IDC_GERENCIADOR_MANAGER"]);
    let mut plain = to_strings(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
    assert_eq!(roles_after(&app, "portal", &body()), plain);
    plain.push("MANAGER".to_owned());
    assert_eq!(roles_after(&app, "portal", &with("groups", groups)), plain);
}

#[test]
fn unknown_groups_are_rejected_if_the_target_requires_it() {
    let app = TestApp::start();
    let groups = |groups: Value| app.saml_login("strict", &with("groups", groups));
    let rejection = r#"412 [{"code":"24","message":"a group is not known, or the caller may not assert it"}]"#;
    assert_eq!(
        groups(json!(["IDC_GERENCIADOR_MANAGER", "UNKNOWN_GROUP"])).summary(),
        rejection
    );
    assert_eq!(groups(json!(["idc_gerenciador_manager"])).summary(), rejection);
    assert_eq!(groups(json!(["IDC_GERENCIADOR_MANAGER"])).status, 200);
    assert_eq!(groups(json!([])).status, 200);
}

#[test]
fn a_business_must_be_linked() {
    let app = TestApp::start();
    let rejection = r#"412 [{"code":"23","message":"the business is not linked to the user"}]"#;
    assert_eq!(
        app.saml_login("portal", &with("businessId", json!("another")))
            .summary(),
        rejection
    );
    assert_eq!(
        app.saml_login("portal", &with("businessId", json!(BUSINESS))).status,
        200
    );
    assert_eq!(app.saml_login("portal", &with("businessId", json!(""))).status, 200);
}

#[test]
fn unsuitable_targets_return_412() {
    let app = TestApp::start();
    for target in ["unknown", "disabled", "locker", "portal.idp"] {
        assert_eq!(
            app.saml_login(target, &body()).summary(),
            r#"412 [{"code":"22","message":"the client is unknown, disabled, or not set up for this flow"}]"#,
            "{target}"
        );
    }
}

#[test]
fn a_locked_user_returns_412() {
    let app = TestApp::start();
    assert_eq!(app.lock_or_unlock("lock", "ana").status, 204);
    assert_eq!(app.saml_login("portal", &body()).summary(), LOCKED);
    assert_eq!(app.saml_login("maker", &body()).summary(), LOCKED);
    assert_eq!(app.lock_or_unlock("unlock", "ana").status, 204);
    assert_eq!(app.saml_login("portal", &body()).status, 200);
}

#[test]
fn unreadable_or_missing_members_return_400() {
    let app = TestApp::start();
    let gateway = app.client_token("gateway");
    let send = |query: &[(&str, &str)], body: &Value| {
        let request = Request::post("/user-identities/handle-auth").query(query);
        app.send(request.bearer(&gateway).json(body)).summary()
    };
    let target = [("clientId", "portal")];
    let missing = |field: &str| format!(r#"400 [{{"code":"01","message":"{field} is required","field":"{field}"}}]"#);
    assert_eq!(send(&target, &json!({"groups": []})), missing("email"));
    assert_eq!(send(&target, &json!({"email": ANA_MAIL})), missing("groups"));
    assert_eq!(send(&target, &json!({"email": null, "groups": null})), missing("email"));
    assert_eq!(send(&[("other", "x")], &body()), missing("clientId"));
    assert_eq!(send(&[("clientId", "")], &body()), missing("clientId"));
    for address in ["nope", "", "a@b@c", "a b@example.com", "@example.com"] {
        assert_eq!(
            send(&target, &with("email", json!(address))),
            r#"400 [{"code":"08","message":"email is not a valid e-mail address","field":"email"}]"#
        );
    }
    assert_eq!(
        send(&[("clientId", "a b")], &body()),
        r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ - .","field":"clientId"}]"#
    );
    assert_eq!(
        send(&target, &with("businessId", json!("a.b"))),
        r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"businessId"}]"#
    );
    assert_eq!(
        send(&[("clientId", "portal"), ("clientId", "portal")], &body()),
        r#"400 [{"code":"01","message":"the query cannot be read, or has a parameter twice"}]"#
    );
}

#[test]
fn an_address_in_the_body_takes_precedence() {
    let app = TestApp::start();
    let ip = |ip: &str| app.saml_login("portal", &with("ip", json!(ip)));
    assert_eq!(ip("203.0.113.7").json()["ip"], "203.0.113.7");
    assert_eq!(ip("2001:db8::7").json()["ip"], "2001:db8::7");
    for bad in ["203.0.113", "203.0.113.7:80", "localhost", "1.2.3.4, 5.6.7.8"] {
        assert_eq!(
            ip(bad).summary(),
            r#"400 [{"code":"01","message":"ip must be an IPv4 or IPv6 address","field":"ip"}]"#
        );
    }
}

#[test]
fn only_trusted_proxies_forward_addresses() {
    let ip = |app: &TestApp, body: &Value| {
        let request = Request::post("/user-identities/handle-auth").query(&[("clientId", "portal")]);
        let request = request.header("X-Forwarded-For", "198.51.100.1, 203.0.113.7");
        app.send(request.bearer(&app.client_token("gateway")).json(body)).json()["ip"].clone()
    };
    assert_eq!(ip(&TestApp::start(), &body()), "127.0.0.1");
    let behind = TestApp::start_with(Setup {
        trusted_proxies: to_strings(&["127.0.0.0/8"]),
        ..Setup::default()
    });
    assert_eq!(ip(&behind, &body()), "203.0.113.7");
    assert_eq!(ip(&behind, &with("ip", json!("192.0.2.1"))), "192.0.2.1");
}

#[test]
fn parallel_saml_logins_create_one_user() {
    let app = TestApp::start();
    let gateway = app.client_token("gateway");
    let saml_login = || {
        let request = Request::post("/user-identities/handle-auth").query(&[("clientId", "maker")]);
        let body = json!({"email": "new@example.com", "groups": []});
        test_support::http::send(app.address, request.bearer(&gateway).json(&body))
    };
    let barrier = std::sync::Barrier::new(8);
    let ids: Vec<Value> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    saml_login().json()["userId"].clone()
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
fn roles_are_computed_at_renewal() {
    let app = TestApp::start();
    let login = app.saml_login("portal", &body());
    let mut ana = fixtures::ana();
    ana.roles = to_strings(&["AUTH-BASIC", "NEW"]);
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let portal = app.client_token("portal");
    let renewed = app
        .renew(&portal, &field(&login.json(), "validationToken"), "false")
        .json();
    let roles = claims(&field(&renewed, "accessToken"))["roles"].clone();
    assert_eq!(
        roles,
        json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "NEW"])
    );
}
