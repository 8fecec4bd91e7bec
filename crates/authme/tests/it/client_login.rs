//! Client login and the public keys: docs/api.md "Authentication".

use adapter_crypto::Sha256;
use ports::tokens::ClientSecrets as _;
use serde_json::json;

use crate::fixtures::{self, secret_of};
use crate::jwt::{claims, decode, kid};
use crate::test_app::{ISSUER, START, Setup, TestApp, at, at_millisecond, field};
use test_support::http::Request;

const REJECTED: &str = r#"401 [{"code":"02","message":"the client name or secret is not right"}]"#;

fn login() -> Request {
    Request::post("/client-identities/login")
}

#[test]
fn a_client_logs_in_with_its_secret() {
    let app = TestApp::start();
    let answer = app.send(login().basic("portal", &secret_of("portal")));
    let mut body = answer.json();
    let token = field(&body, "accessToken");
    body["accessToken"] = json!("…");
    let expected = json!({
        "accessToken": "…", "tokenType": "Bearer", "expiresIn": "300", "scope": ["READ", "WRITE"],
    });
    assert_eq!((answer.status, body), (200, expected));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let (header, mut claims) = decode(&token);
    assert_eq!(header, json!({"alg": "RS512", "typ": "at+jwt", "kid": kid(&app)}));
    assert!(!field(&claims, "jti").is_empty());
    claims["jti"] = json!("…");
    let expected = json!({
        "iss": ISSUER, "aud": "authme", "iat": START, "exp": START + 300, "jti": "…", "client_id": "portal",
        "client_epoch": 0, "sub": "portal", "scope": "READ WRITE", "roles": ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"],
    });
    assert_eq!(claims, expected);
}

#[test]
fn every_token_has_a_unique_id() {
    let app = TestApp::start();
    let jti = || field(&claims(&app.client_token("portal")), "jti");
    assert_ne!(jti(), jti());
}

#[test]
fn login_accepts_an_empty_body_or_object() {
    let app = TestApp::start();
    let good = || login().basic("portal", &secret_of("portal"));
    for body in ["", "{}", " {} "] {
        assert_eq!(app.send(good().body(body)).status, 200, "{body:?}");
    }
    for body in ["null", "\"x\"", "{", "{}{}", "1", "[1]", "[]"] {
        let answer = app.send(good().body(body));
        assert_eq!(answer.codes(), (400, vec!["01".to_owned()]), "{body:?}");
    }
}

#[test]
fn all_failed_logins_get_the_same_answer() {
    let app = TestApp::start();
    let secret = secret_of("portal");
    let encoded = "cG9ydGFs";
    for request in [
        login(),
        login().basic("portal", "wrong"),
        login().basic("portal", ""),
        login().basic("unknown", &secret),
        login().basic("not an id", &secret),
        login().basic("portal.idp", &secret),
        login().basic("disabled", &secret_of("disabled")),
        login().bearer(&secret),
        login().header("Authorization", "Basic"),
        login().header("Authorization", "Basic !!!"),
        login().header("Authorization", &format!("Basic {encoded}")),
        login().basic("portal", &secret).basic("portal", &secret),
    ] {
        let answer = app.send(request.clone());
        assert_eq!(answer.summary(), REJECTED, "{request:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"authme\""));
    }
}

#[test]
fn a_replaced_secret_works_until_its_exact_end() {
    let app = TestApp::start();
    let mut portal = fixtures::client("portal", &[], &[]);
    portal.replace_secret(Sha256.digest("the new secret"), at(START), Some(at(START + 60)));
    app.wait_for(fixtures::save_client(&app.stores, &portal));
    let status = |secret: &str| app.send(login().basic("portal", secret)).status;
    app.clock.set(at_millisecond((START + 60) * 1000 - 1));
    assert_eq!((status(&secret_of("portal")), status("the new secret")), (200, 200));
    app.clock.set(at(START + 60));
    assert_eq!((status(&secret_of("portal")), status("the new secret")), (401, 200));
}

#[test]
fn a_client_can_have_its_own_token_lifetime() {
    let app = TestApp::start();
    let mut portal = fixtures::client("portal", &[], &["ONE"]);
    portal.access_token_lifetime = Some(std::time::Duration::from_secs(7));
    app.wait_for(fixtures::save_client(&app.stores, &portal));
    let body = app.send(login().basic("portal", &secret_of("portal"))).json();
    assert_eq!(body["expiresIn"], "7");
    assert_eq!(body["scope"], json!(["ONE"]));
    assert_eq!(claims(&field(&body, "accessToken"))["exp"], START + 7);
}

#[test]
fn both_paths_serve_the_public_keys() {
    let app = TestApp::start();
    let [short, well_known] = ["/keys", "/.well-known/jwks.json"].map(|path| app.send(Request::get(path)));
    assert_eq!(short.summary(), well_known.summary());
    for answer in [short, well_known] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        let mut body = answer.json();
        assert!(field(&body["keys"][0], "n").len() >= 342, "{body}");
        body["keys"][0]["n"] = json!("…");
        let key = json!({"kty": "RSA", "use": "sig", "alg": "RS512", "kid": kid(&app), "n": "…", "e": "AQAB"});
        assert_eq!(body, json!({"keys": [key]}));
    }
}

#[test]
fn keys_are_published_before_they_sign() {
    let app = TestApp::start_with(Setup {
        next_key_from: Some(START + 100),
        ..Setup::default()
    });
    let keys = app.send(Request::get("/keys")).json();
    let kids: Vec<String> = [0, 1].iter().map(|at| field(&keys["keys"][at], "kid")).collect();
    let signed_by = |token: &str| field(&decode(token).0, "kid");
    let before = app.client_token("locker");
    assert_eq!(signed_by(&before), kids[0]);
    app.clock.set(at(START + 100));
    let after = app.client_token("locker");
    assert_eq!(signed_by(&after), kids[1]);
    for token in [before, after] {
        let response = app.send(Request::get("/user-identities/ana/lock").bearer(&token));
        assert_eq!(response.status, 200);
    }
}
