//! Bodies that are none (04-promises 3): refused with 400 or 413, never a panic, and the server answers on.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::jwt::{client_claims, token};
use crate::test_app::TestApp;
use crate::wire::{Answer, Connection, Request, ask};

/// Every operation with a body, its smallest good body, and whether nothing at all is good, too.
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

/// A client that may call everything.
fn able(app: &TestApp) -> String {
    let roles = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "CLI-AUTH-BASIC"];
    token(
        app,
        &client_claims("portal", &roles, &["SAML_SSO", "account_lock", "account_unlock"]),
    )
}

fn request(path: &str, able: &str) -> Request {
    if path.ends_with("/login") {
        Request::post(path).basic("portal", &crate::fixtures::secret_of("portal"))
    } else {
        Request::post(path).bearer(able)
    }
}

#[track_caller]
fn malformed(answer: &Answer, what: &str) {
    assert_eq!(
        answer.codes(),
        (400, vec!["01".to_owned()]),
        "{what}: {}",
        answer.shown()
    );
}

fn alive(app: &TestApp) {
    assert_eq!(ask(app.address, Request::get("/keys")).status, 200);
}

#[test]
fn the_good_bodies_are_good() {
    let app = TestApp::start();
    let able = able(&app);
    for (path, body, _) in operations() {
        let answer = app.ask(request(path, &able).json(&body));
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.shown());
    }
}

#[test]
fn what_is_no_object_is_400() {
    let app = TestApp::start();
    let able = able(&app);
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
    let mut taken = Vec::new();
    for (path, ..) in operations() {
        for body in &bodies {
            let answer = connection.send(&request(path, &able).body(*body));
            if answer.codes() != (400, vec!["01".to_owned()]) {
                let shown: String = String::from_utf8_lossy(body).chars().take(30).collect();
                taken.push(format!("{path} {shown}: {}", answer.status));
            }
        }
    }
    assert!(taken.is_empty(), "taken for JSON:\n{}", taken.join("\n"));
    alive(&app);
}

#[test]
fn nothing_and_blanks_are_400_where_a_body_is_needed() {
    let app = TestApp::start();
    let able = able(&app);
    for (path, _, is_optional) in operations() {
        for body in ["", " ", "\r\n\t"] {
            let answer = app.ask(request(path, &able).body(body));
            if !(is_optional && body.is_empty()) {
                malformed(&answer, &format!("{path} {body:?}"));
            }
        }
    }
}

/// An array that holds, in some order, what the object holds is not the object.
#[test]
fn an_array_is_no_object() {
    let app = TestApp::start();
    let able = able(&app);
    let mobile = json!(["55", "11", "911112222"]);
    let item = json!({"id": "c1", "contactType": "MOBILE", "mobile": mobile});
    let mut taken = Vec::new();
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
        let answer = app.ask(request(path, &able).json(&body));
        if answer.codes() != (400, vec!["01".to_owned()]) {
            taken.push(format!("{path} {body}: {}", answer.status));
        }
    }
    assert!(taken.is_empty(), "taken for an object:\n{}", taken.join("\n"));
}

#[test]
fn a_field_twice_is_400() {
    let app = TestApp::start();
    let able = able(&app);
    for (path, body, _) in operations() {
        let text = body.to_string();
        for (name, value) in body.as_object().expect("an object") {
            let doubled = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
            malformed(&app.ask(request(path, &able).body(doubled)), &format!("{path} {name}"));
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
        malformed(&app.ask(request(path, &able).body(body)), doubled);
    }
}

#[test]
fn a_field_of_a_wrong_type_is_400() {
    let app = TestApp::start();
    let able = able(&app);
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
            malformed(
                &app.ask(request(path, &able).json(&body)),
                &format!("{path} {field} {value}"),
            );
        }
    }
    assert_eq!(app.event_types("bia"), Vec::<String>::new());
}

#[test]
fn a_field_of_an_item_of_a_wrong_type_is_400() {
    let app = TestApp::start();
    let able = able(&app);
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
    for (place, values) in wrong {
        for value in values {
            let mut item = json!({"id": "c1", "contactType": "MOBILE", "email": "a@b.com", "tags": [],
                "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"}});
            *item.pointer_mut(place).expect("a field") = serde_json::from_str(value).expect("JSON");
            let answer = app.ask(request(path, &able).json(&json!({"authenticationFactors": [item]})));
            malformed(&answer, &format!("{place} {value}"));
            let field = answer.json()[0]["field"].as_str().unwrap_or_default().to_owned();
            assert!(
                field.starts_with("authenticationFactors"),
                "{place} {value}: {}",
                answer.shown()
            );
        }
    }
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

#[test]
fn an_address_of_a_wrong_type_is_400_where_an_address_is_needed() {
    let app = TestApp::start();
    let able = able(&app);
    for value in [json!(1), json!(true), json!([]), json!({})] {
        let item = json!({"id": "c1", "contactType": "EMAIL", "email": value});
        let add = request("/user-identities/bia/authentication-factors", &able);
        let answer = app.ask(add.json(&json!({"authenticationFactors": [item]})));
        malformed(&answer, &value.to_string());
    }
}

#[test]
fn a_compressed_body_is_not_read() {
    let app = TestApp::start();
    // `{"userId":"ana"}` by gzip.
    let gzip = [
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x2d, 0x4e, 0x2d, 0xf2, 0x4c, 0x51, 0xb2, 0x52,
        0x4a, 0xcc, 0x4b, 0x54, 0xaa, 0x05, 0x00, 0x7c, 0x08, 0x59, 0x0c, 0x10, 0, 0, 0,
    ];
    let lock = request("/user-identities/lock", &able(&app)).header("Content-Encoding", "gzip");
    let answer = app.ask(lock.body(gzip));
    assert!([400, 415].contains(&answer.status), "{}", answer.shown());
    assert_eq!(answer.codes().1, ["01"]);
}

#[test]
fn an_error_never_repeats_what_was_sent() {
    let app = TestApp::start();
    let able = able(&app);
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
            let answer = app.ask(request(path, &able).body(body.as_str()));
            assert!(!answer.text().contains(secret), "{path} {body}: {}", answer.shown());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_an_answer_that_is_no_server_error(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 8)) {
        use std::sync::OnceLock;
        static WORLD: OnceLock<(TestApp, String)> = OnceLock::new();
        let (app, able) = WORLD.get_or_init(|| {
            let app = TestApp::start();
            let able = able(&app);
            (app, able)
        });
        let mut connection = Connection::open(app.address);
        for body in bodies {
            for (path, ..) in operations() {
                let answer = connection.send(&request(path, able).body(body.clone()));
                prop_assert!(answer.status < 500, "{}", answer.shown());
            }
        }
    }
}
