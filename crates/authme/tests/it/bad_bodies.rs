//! Malformed bodies are rejected with 400 or 413. The server neither panics nor stops serving.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::jwt::{client_claims, token};
use crate::test_app::TestApp;
use test_support::http::{Answer, Connection, Request, send};

/// Every operation with a body, its smallest valid body, and a flag for operations that accept an empty one.
fn operations() -> [(&'static str, Value, bool); 6] {
    let item = json!({"id": "c1", "contactType": "MOBILE", "tags": [],
        "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"}});
    [
        (
            "/user-identities/lock",
            json!({"userId": "bia", "reason": "why"}),
            false,
        ),
        ("/user-identities/unlock", json!({"userId": "bia"}), false),
        (
            "/user-identities/ana/authentication-factors",
            json!({"authenticationFactors": [item]}),
            false,
        ),
        (
            "/user-identities/handle-auth?clientId=portal",
            json!({"email": "example@br.experian.com", "groups": [], "mainframeLogon": "A", "fullName": "A",
                "businessId": "", "ip": "203.0.113.7"}),
            false,
        ),
        (
            "/user-identities/renew-token",
            json!({"clientId": "portal", "userId": "ana", "token": "", "remember-me": false}),
            false,
        ),
        ("/client-identities/login", json!({}), true),
    ]
}

/// Returns a token of a client that may call every operation.
fn privileged_token(app: &TestApp) -> String {
    let roles = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "CLI-AUTH-BASIC"];
    token(
        app,
        &client_claims("portal", &roles, &["SAML_SSO", "account_lock", "account_unlock"]),
    )
}

fn request(path: &str, bearer: &str) -> Request {
    if path.ends_with("/login") {
        Request::post(path).basic("portal", &crate::fixtures::secret_of("portal"))
    } else {
        Request::post(path).bearer(bearer)
    }
}

#[track_caller]
fn assert_malformed(answer: &Answer, what: &str) {
    assert_eq!(
        answer.codes(),
        (400, vec!["01".to_owned()]),
        "{what}: {}",
        answer.summary()
    );
}

fn assert_serving(app: &TestApp) {
    assert_eq!(send(app.address, Request::get("/keys")).status, 200);
}

#[test]
fn valid_bodies_are_accepted() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    for (path, body, _) in operations() {
        let answer = app.send(request(path, &bearer).json(&body));
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.summary());
    }
}

#[test]
fn a_body_that_is_not_an_object_returns_400() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    let nested = "[".repeat(10_000);
    let objects = r#"{"userId":"#.repeat(5_000);
    let closed = format!("{nested}{}", "]".repeat(10_000));
    let bodies: Vec<&[u8]> = vec![
        b"null",
        b"true",
        b"1",
        b"\"x\"",
        b"[[]]",
        b"[null]",
        b"{",
        b"}",
        b"{]",
        b"{\"",
        b"{\"userId\"}",
        b"{'userId':'ana'}",
        b"{\"userId\":NaN}",
        b"{\"userId\":Infinity}",
        b"{\"userId\":01}",
        b"{userId:\"ana\"}",
        b"{\"userId\":\"ana\",}",
        b"{} {}",
        b"{}x",
        b"{}\0",
        b"\0",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"{\"\xff\":1}",
        b"{\"userId\":\"\xc3\x28\"}",
        b"{\"userId\":\"\xed\xa0\x80\"}",
        b"{\"userId\":\"a\nb\"}",
        b"<x/>",
        b"// {}",
        nested.as_bytes(),
        objects.as_bytes(),
        closed.as_bytes(),
    ];
    let mut connection = Connection::open(app.address);
    let mut accepted = Vec::new();
    for (path, ..) in operations() {
        for body in &bodies {
            let answer = connection.send(&request(path, &bearer).body(*body));
            if answer.codes() != (400, vec!["01".to_owned()]) {
                let beginning: String = String::from_utf8_lossy(body).chars().take(30).collect();
                accepted.push(format!("{path} {beginning}: {}", answer.status));
            }
        }
    }
    assert!(accepted.is_empty(), "accepted as JSON:\n{}", accepted.join("\n"));
    assert_serving(&app);
}

#[test]
fn a_missing_body_returns_400() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    for (path, _, is_optional) in operations() {
        for body in ["", " ", "\r\n\t"] {
            let answer = app.send(request(path, &bearer).body(body));
            if !(is_optional && body.is_empty()) {
                assert_malformed(&answer, &format!("{path} {body:?}"));
            }
        }
    }
}

/// An array of an object's values, in any order, is not accepted in place of the object.
#[test]
fn an_array_instead_of_an_object_returns_400() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    let mobile = json!(["55", "11", "911112222"]);
    let item = json!({"id": "c1", "contactType": "MOBILE", "mobile": mobile});
    let mut accepted = Vec::new();
    for (path, body) in [
        ("/client-identities/login", json!([])),
        ("/user-identities/lock", json!(["ana", null])),
        ("/user-identities/unlock", json!(["ana", "why"])),
        ("/user-identities/renew-token", json!(["", false, "portal", "ana"])),
        (
            "/user-identities/handle-auth?clientId=portal",
            json!(["example@br.experian.com", [], null, null, null, null]),
        ),
        ("/user-identities/ana/authentication-factors", json!([[]])),
        (
            "/user-identities/ana/authentication-factors",
            json!({"authenticationFactors": [item]}),
        ),
        (
            "/user-identities/ana/authentication-factors",
            json!({"authenticationFactors": [["c2", "MOBILE", null, {"regionCode": "55", "areaCode": "11", "phoneNumber": "911113333"}, null]]}),
        ),
    ] {
        let answer = app.send(request(path, &bearer).json(&body));
        if answer.codes() != (400, vec!["01".to_owned()]) {
            accepted.push(format!("{path} {body}: {}", answer.status));
        }
    }
    assert!(accepted.is_empty(), "accepted as an object:\n{}", accepted.join("\n"));
}

#[test]
fn a_duplicate_field_returns_400() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    for (path, body, _) in operations() {
        let text = body.to_string();
        for (name, value) in body.as_object().expect("an object") {
            let doubled = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
            assert_malformed(
                &app.send(request(path, &bearer).body(doubled)),
                &format!("{path} {name}"),
            );
        }
    }
    let path = "/user-identities/ana/authentication-factors";
    for doubled in [
        r#"{"id":"a","id":"b","contactType":"EMAIL"}"#,
        r#"{"id":"a","contactType":"MOBILE","contactType":"EMAIL"}"#,
        r#"{"id":"a","contactType":"MOBILE","tags":[],"tags":[]}"#,
        r#"{"id":"a","contactType":"MOBILE","mobile":{"regionCode":1,"regionCode":1}}"#,
    ] {
        let body = format!(r#"{{"authenticationFactors":[{doubled}]}}"#);
        assert_malformed(&app.send(request(path, &bearer).body(body)), doubled);
    }
}

#[test]
fn a_field_of_the_wrong_type_returns_400() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    let texts = ["1", "1.5", "true", "[]", "{}", "[\"a\"]"];
    let mut cases: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for path in ["/user-identities/lock", "/user-identities/unlock"] {
        cases.push((path, "userId", texts.to_vec()));
        cases.push((path, "reason", texts.to_vec()));
    }
    let handle_auth = "/user-identities/handle-auth?clientId=portal";
    for field in ["email", "fullName", "businessId", "mainframeLogon", "ip"] {
        cases.push((handle_auth, field, texts.to_vec()));
    }
    cases.push((
        handle_auth,
        "groups",
        vec!["1", "true", "{}", "\"a\"", "[1]", "[null]", "[[]]", "{\"0\":\"a\"}"],
    ));
    for field in ["token", "clientId", "userId"] {
        cases.push(("/user-identities/renew-token", field, texts.to_vec()));
    }
    let not_boolean = vec!["2", "-1", "1.5", "[]", "{}", "\"maybe\"", "[true]"];
    cases.push(("/user-identities/renew-token", "remember-me", not_boolean));
    let factors = "/user-identities/ana/authentication-factors";
    let not_items = vec!["1", "true", "\"x\"", "{}", "[1]", "[\"x\"]", "[null]", "[[]]", "[true]"];
    cases.push((factors, "authenticationFactors", not_items));
    for (path, field, values) in cases {
        let good = operations()
            .into_iter()
            .find(|(own, ..)| *own == path)
            .expect("an operation")
            .1;
        for value in values {
            let mut body = good.clone();
            body[field] = serde_json::from_str(value).expect("JSON");
            assert_malformed(
                &app.send(request(path, &bearer).json(&body)),
                &format!("{path} {field} {value}"),
            );
        }
    }
    assert_eq!(app.event_types("bia"), Vec::<String>::new());
}

#[test]
fn an_item_field_of_the_wrong_type_returns_400() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    let path = "/user-identities/ana/authentication-factors";
    let texts = ["1", "true", "[]", "{}"];
    let wrong = [
        ("/id", texts.to_vec()),
        ("/contactType", texts.to_vec()),
        ("/mobile", vec!["1", "true", "\"x\"", "[]"]),
        ("/mobile/regionCode", vec!["true", "[]", "{}"]),
        ("/mobile/areaCode", vec!["true", "[]", "{}"]),
        ("/mobile/phoneNumber", vec!["true", "[]", "{}"]),
        ("/tags", vec!["1", "true", "{}", "[1]", "[null]", "[[]]"]),
    ];
    for (pointer, values) in wrong {
        for value in values {
            let mut item = json!({"id": "c1", "contactType": "MOBILE", "email": "a@b.com", "tags": [],
                "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"}});
            *item.pointer_mut(pointer).expect("a field") = serde_json::from_str(value).expect("JSON");
            let answer = app.send(request(path, &bearer).json(&json!({"authenticationFactors": [item]})));
            assert_malformed(&answer, &format!("{pointer} {value}"));
            let field = answer.json()[0]["field"].as_str().unwrap_or_default().to_owned();
            assert!(
                field.starts_with("authenticationFactors"),
                "{pointer} {value}: {}",
                answer.summary()
            );
        }
    }
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

#[test]
fn an_address_of_the_wrong_type_returns_400() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    for value in [json!(1), json!(true), json!([]), json!({})] {
        let item = json!({"id": "c1", "contactType": "EMAIL", "email": value});
        let add = request("/user-identities/bia/authentication-factors", &bearer);
        let answer = app.send(add.json(&json!({"authenticationFactors": [item]})));
        assert_malformed(&answer, &value.to_string());
    }
}

#[test]
fn compressed_bodies_are_rejected() {
    let app = TestApp::start();
    // `{"userId":"ana"}`, compressed by gzip.
    let gzip = [
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x2d, 0x4e, 0x2d, 0xf2, 0x4c, 0x51, 0xb2, 0x52,
        0x4a, 0xcc, 0x4b, 0x54, 0xaa, 0x05, 0x00, 0x7c, 0x08, 0x59, 0x0c, 0x10, 0, 0, 0,
    ];
    let lock = request("/user-identities/lock", &privileged_token(&app)).header("Content-Encoding", "gzip");
    let answer = app.send(lock.body(gzip));
    assert!([400, 415].contains(&answer.status), "{}", answer.summary());
    assert_eq!(answer.codes().1, ["01"]);
}

#[test]
fn errors_do_not_repeat_the_body() {
    let app = TestApp::start();
    let bearer = privileged_token(&app);
    let secret = "s3cr3t-that-was-sent";
    let bodies = [
        format!(r#"{{"userId":["{secret}"]}}"#),
        format!(r#"{{"authenticationFactors":[{{"id":"{secret} x","contactType":"{secret}"}}]}}"#),
        format!(r#"{{"authenticationFactors":"{secret}","email":["{secret}"],"token":["{secret}"]}}"#),
        format!(r#"{{"email":"{secret}","groups":"{secret}","remember-me":"{secret}","reason":"{secret}\u0001"}}"#),
        format!(r#"{{"clientId":"{secret} x","userId":"{secret} x"}}"#),
        secret.to_owned(),
    ];
    for (path, ..) in operations() {
        for body in &bodies {
            let answer = app.send(request(path, &bearer).body(body.as_str()));
            assert!(!answer.text().contains(secret), "{path} {body}: {}", answer.summary());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_cause_no_server_error(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 8)) {
        use std::sync::OnceLock;
        static SHARED_APP: OnceLock<(TestApp, String)> = OnceLock::new();
        let (app, bearer) = SHARED_APP.get_or_init(|| {
            let app = TestApp::start();
            let bearer = privileged_token(&app);
            (app, bearer)
        });
        let mut connection = Connection::open(app.address);
        for body in bodies {
            for (path, ..) in operations() {
                let answer = connection.send(&request(path, bearer).body(body.clone()));
                prop_assert!(answer.status < 500, "{}", answer.summary());
            }
        }
    }
}
