//! Rules of every request: paths, methods, ids, headers and body size (docs/api.md).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::fixtures::to_strings;
use crate::jwt::{token, user_claims};
use crate::role_matrix::documented_methods;
use crate::test_app::{TOO_LARGE, TestApp};
use test_support::http::{Connection, Request};

const NOT_FOUND: &str = r#"404 [{"code":"01","message":"no operation has this path"}]"#;
const NOT_ALLOWED: &str = r#"405 [{"code":"01","message":"the method is not allowed for this path"}]"#;

fn administrator(app: &TestApp) -> String {
    let roles = [
        "CLI-AUTH-IDENTIFIED",
        "CLI-1STPARTY",
        "AUTH-BASIC",
        "USER",
        "IAM_ADMIN_MAINTENANCE",
    ];
    token(app, &user_claims("root", &roles, &[]))
}

#[test]
fn an_unknown_path_returns_404() {
    let app = TestApp::start();
    let root = administrator(&app);
    for path in [
        "",
        "/",
        "/keys/",
        "//keys",
        "/Keys",
        "/user-identities",
        "/user-identities/lock/",
        "/user-identities//lock",
        "/user-identities//authentication-factors",
        "/user-identities/me/authentication-factors/",
        "/user-identities/ana/authentication-factors//",
        "/user-identities/a/b/authentication-factors",
        "/user-identities/ana/",
        "/client-identities/login/x",
        "/.well-known/jwks.json/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.send(Request::new(method, path).bearer(&root));
            assert_eq!(answer.summary(), NOT_FOUND, "{method} {path}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    for target in [
        "/",
        "/docs/",
        "/security/iam/v2/keys",
        "/security//iam/v1/keys",
        "//security/iam/v1/keys",
        "/%00",
        "/..;/keys",
    ] {
        assert_eq!(
            app.send(Request::at_root("GET", target)).summary(),
            NOT_FOUND,
            "{target}"
        );
    }
}

#[test]
fn another_method_returns_405_with_allow() {
    let app = TestApp::start();
    let mut allowed = BTreeMap::<_, BTreeSet<String>>::new();
    for (method, path) in documented_methods() {
        let path = path.replace("{id}", "ana").replace("{factorId}", "f1");
        let methods = allowed.entry(path).or_default();
        if method == "get" {
            methods.insert("HEAD".to_owned());
        }
        methods.insert(method.to_uppercase());
    }
    assert!(allowed.len() >= 16, "{allowed:?}");
    for (path, methods) in &allowed {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if methods.contains(method) {
                continue;
            }
            let answer = app.send(Request::new(method, path));
            assert_eq!(answer.summary(), NOT_ALLOWED, "{method} {path}");
            let allow = answer.header("allow").expect("the header Allow");
            let allow: BTreeSet<_> = allow.split(", ").map(str::to_owned).collect();
            assert_eq!(&allow, methods, "{method} {path}");
        }
    }
}

#[test]
fn root_pages_reject_other_methods() {
    let app = TestApp::start();
    for target in ["/openapi.json", "/docs"] {
        let answer = app.send(Request::at_root("POST", target));
        assert_eq!(answer.summary(), NOT_ALLOWED, "{target}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{target}");
    }
}

#[test]
fn a_malformed_id_in_a_path_returns_400() {
    let app = TestApp::start();
    let bad = r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"id"}]"#;
    let (portal, root) = (app.client_token("portal"), administrator(&app));
    let body = json!({"authenticationFactors": [{"id": "c", "contactType": "EMAIL", "email": "a@b.com"}]});
    let long = "x".repeat(65);
    for id in [
        "a.b", "a%20b", "%C3%A9", "a%00", "a%0A", "a'b", "a%2Fb", "%FF", "..", &long,
    ] {
        let add = Request::post(&format!("/user-identities/{id}/authentication-factors"));
        assert_eq!(app.send(add.bearer(&portal).json(&body)).summary(), bad, "{id}");
        let see = Request::get(&format!("/user-identities/{id}/lock"));
        assert_eq!(app.send(see.bearer(&root)).summary(), bad, "{id}");
    }
}

#[test]
fn me_is_not_an_id() {
    let app = TestApp::start();
    let bad = r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"id"}]"#;
    let see = Request::get("/user-identities/me/lock").bearer(&administrator(&app));
    assert_eq!(app.send(see).summary(), bad);
    // A client-only token has no user that `me` could name.
    let add = Request::post("/user-identities/me/authentication-factors").bearer(&app.client_token("portal"));
    assert_eq!(app.send(add.body("{}")).codes(), (403, to_strings(&["03"])));
    let escaped = Request::post("/user-identities/%6De/authentication-factors").bearer(&app.client_token("portal"));
    assert!([400, 403].contains(&app.send(escaped.body("{}")).status));
}

#[test]
fn ids_are_case_sensitive() {
    let app = TestApp::start();
    let see = Request::get("/user-identities/ANA/lock").bearer(&administrator(&app));
    assert_eq!(
        app.send(see).summary(),
        r#"404 [{"code":"04","message":"the user is not known"}]"#
    );
}

#[test]
fn every_answer_has_a_request_id() {
    let app = TestApp::start();
    let root = administrator(&app);
    let mut seen = Vec::new();
    for (request, status) in [
        (Request::get("/keys"), 200),
        (Request::get("/nothing"), 404),
        (Request::new("PUT", "/keys"), 405),
        (Request::post("/user-identities/lock"), 401),
        (Request::post("/client-identities/login"), 401),
        (
            Request::get("/user-identities/me/authentication-factors").bearer("x"),
            401,
        ),
        (Request::post("/user-identities/handle-auth").bearer(&root), 403),
        (Request::post("/user-identities/lock").bearer(&root).body("{"), 400),
        (
            Request::post("/user-identities/lock")
                .bearer(&root)
                .body(vec![b' '; 65537]),
            413,
        ),
        (
            Request::post("/user-identities/lock")
                .bearer(&root)
                .json(&json!({"userId": "ana"})),
            204,
        ),
        (Request::at_root("GET", "/openapi.json"), 200),
        (Request::at_root("GET", "/docs"), 200),
        (Request::at_root("GET", "/"), 404),
    ] {
        let answer = app.send(request.clone());
        assert_eq!(answer.status, status, "{request:?}");
        let id = answer
            .header("x-request-id")
            .unwrap_or_else(|| panic!("no id: {request:?}"));
        assert!(id.len() >= 16 && !seen.contains(&id.to_owned()), "{id}");
        seen.push(id.to_owned());
    }
}

#[test]
fn only_well_formed_request_ids_are_kept() {
    let app = TestApp::start();
    let id = |given: &str| {
        let answer = app.send(Request::get("/keys").header("X-Request-Id", given));
        answer.header("x-request-id").expect("an id").to_owned()
    };
    assert_eq!(id("abc-DEF_123"), "abc-DEF_123");
    for bad in ["", "a b", "a\tb", "<script>", "é", &"x".repeat(65)] {
        let given = id(bad);
        assert_ne!(given, bad);
        assert!(given.chars().all(|c| c.is_ascii_hexdigit()), "{given}");
    }
}

#[test]
fn a_missing_token_returns_a_challenge() {
    let app = TestApp::start();
    for (request, challenge, message) in [
        (
            Request::get("/events"),
            "Bearer realm=\"authme\"",
            "an Authorization header with one bearer token is required",
        ),
        (
            Request::get("/events").basic("portal", "x"),
            "Bearer realm=\"authme\"",
            "an Authorization header with one bearer token is required",
        ),
        (
            Request::get("/events").header("Authorization", "Bearer"),
            "Bearer realm=\"authme\"",
            "an Authorization header with one bearer token is required",
        ),
        (
            Request::get("/events").bearer("x"),
            "Bearer realm=\"authme\", error=\"invalid_token\"",
            "the access token is expired or cannot be verified",
        ),
    ] {
        let answer = app.send(request);
        assert_eq!(
            (answer.status, answer.json()),
            (401, json!([{"code": "02", "message": message}]))
        );
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn bodies_over_64_kib_return_413() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let lock = |length: usize| {
        let mut body = br#"{"userId":"ana"}"#.to_vec();
        body.resize(length, b' ');
        app.send(Request::post("/user-identities/lock").bearer(&locker).body(body))
    };
    assert_eq!(lock(64 * 1024).summary(), "204 ");
    assert_eq!(lock(64 * 1024 + 1).summary(), TOO_LARGE);
    assert_eq!(lock(3 * 1024 * 1024).summary(), TOO_LARGE);
    assert_eq!(app.event_types("ana"), ["credential.locked"]);
}

#[test]
fn a_kept_connection_answers_in_order() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let mut connection = Connection::open(app.address);
    for _ in 0..3 {
        let see = Request::get("/user-identities/ana/lock").bearer(&locker);
        assert_eq!(connection.send(&see).status, 200);
        let bad = Request::post("/user-identities/lock").bearer(&locker).body("{");
        assert_eq!(connection.send(&bad).status, 400);
    }
}

#[test]
fn an_early_answer_keeps_or_closes_the_connection() {
    let app = TestApp::start();
    let mut connection = Connection::open(app.address);
    // The body is never parsed as the next request.
    let unread = Request::post("/user-identities/lock").body("GET /nothing HTTP/1.1\r\n\r\n");
    let rejection = connection.send(&unread);
    assert_eq!(rejection.status, 401);
    if rejection.header("connection") != Some("close") {
        assert_eq!(connection.send(&Request::get("/keys")).status, 200);
    }
}

#[test]
fn head_returns_the_headers_of_get() {
    let app = TestApp::start();
    let answer = app.send(Request::new("HEAD", "/keys"));
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(app.send(Request::new("HEAD", "/user-identities/ana/lock")).status, 401);
    assert_eq!(app.send(Request::new("HEAD", "/user-identities/lock")).status, 405);
    assert_eq!(app.send(Request::new("HEAD", "/nothing")).status, 404);
}
