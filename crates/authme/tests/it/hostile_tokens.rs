//! Tokens that were never ours (04-promises 3): every one is 401 with code 02.

use serde_json::{Value, json};

use crate::hmac_sha512::hmac_sha512;
use crate::jwt::{encoded, header, signed, signed_text, token, user_claims};
use crate::public_key_forms::public_forms;
use crate::test_app::{BEGIN, TestApp, field};
use crate::wire::{Connection, Request, ask};

const ADMINISTRATOR: [&str; 3] = ["CLI-1STPARTY", "AUTH-BASIC", "IAM_ADMIN_MAINTENANCE"];

pub(crate) fn claims() -> Value {
    user_claims("root", &ADMINISTRATOR, &[])
}

pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

pub(crate) fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().expect("an object").remove(name);
    object
}

pub(crate) fn see() -> Request {
    Request::get("/user-identities/ana/lock")
}

#[track_caller]
pub(crate) fn accepted(app: &TestApp, token: &str, what: &str) {
    let answer = app.ask(see().bearer(token));
    assert_eq!(answer.status, 200, "{what}: {}", answer.shown());
}

#[track_caller]
pub(crate) fn refused(app: &TestApp, token: &str, what: &str) {
    let answer = app.ask(see().bearer(token));
    assert_eq!(
        answer.shown(),
        r#"401 [{"code":"02","message":"the bearer token is not valid"}]"#,
        "{what}"
    );
    let challenge = "Bearer realm=\"authme\", error=\"invalid_token\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge), "{what}");
}

#[test]
fn a_token_of_ours_is_accepted() {
    let app = TestApp::start();
    accepted(&app, &token(&app, &claims()), "ours");
    let several = with(claims(), "aud", json!(["other", "authme"]));
    accepted(
        &app,
        &token(&app, &several),
        "an audience among others (RFC 7519 section 4.1.3)",
    );
}

#[test]
fn no_signature_is_none_however_it_is_spelt() {
    let app = TestApp::start();
    let good = token(&app, &claims());
    let signature = good.rsplit('.').next().expect("a signature");
    for alg in ["none", "None", "nOnE", "NONE", "", "null"] {
        let message = format!(
            "{}.{}",
            encoded(with(header(&app), "alg", json!(alg)).to_string()),
            encoded(claims().to_string())
        );
        for signature in ["", signature, "AA"] {
            refused(&app, &format!("{message}.{signature}"), alg);
        }
        refused(&app, &message, alg);
    }
    for alg in [json!(null), json!(["RS512"]), json!(1), json!({"alg": "RS512"})] {
        refused(
            &app,
            &signed(&app, &with(header(&app), "alg", alg.clone()), &claims()),
            &alg.to_string(),
        );
    }
    refused(&app, &signed(&app, &without(header(&app), "alg"), &claims()), "no alg");
}

#[test]
fn another_algorithm_on_this_key_is_refused() {
    let app = TestApp::start();
    // The signature is a good RS512 one; only the name is another's.
    for alg in [
        "RS256", "RS384", "PS512", "PS256", "ES512", "EdDSA", "HS256", "HS512", "rs512", "RS512 ", "RSA-OAEP",
    ] {
        refused(
            &app,
            &signed(&app, &with(header(&app), "alg", json!(alg)), &claims()),
            alg,
        );
    }
}

#[test]
fn a_mac_under_the_public_key_is_refused() {
    let app = TestApp::start();
    for (form, key) in public_forms(&app) {
        for alg in ["HS512", "hs512", "RS512"] {
            let message = format!(
                "{}.{}",
                encoded(with(header(&app), "alg", json!(alg)).to_string()),
                encoded(claims().to_string())
            );
            let mac = hmac_sha512(&key, message.as_bytes());
            refused(&app, &format!("{message}.{}", encoded(mac)), &format!("{alg} {form}"));
        }
    }
}

#[test]
fn a_key_that_is_not_ours_is_refused_however_it_is_named() {
    let app = TestApp::start();
    let file = app.folder.path().join("data/keys/manifest.json");
    for kid in [
        "unknown",
        "",
        " ",
        "../../keys/manifest.json",
        "../../../../../../../dev/null",
        file.to_str().expect("a plain path"),
        "x' UNION SELECT 'AA' --",
        "' or 1=1 --",
        "x; DROP TABLE clients",
        "$(id)",
        "http://127.0.0.1:1/keys",
        "\u{0}",
        &"k".repeat(8000),
    ] {
        refused(
            &app,
            &signed(&app, &with(header(&app), "kid", json!(kid)), &claims()),
            kid,
        );
    }
    for kid in [json!(null), json!(1), json!(["a"]), json!({})] {
        refused(
            &app,
            &signed(&app, &with(header(&app), "kid", kid.clone()), &claims()),
            &kid.to_string(),
        );
    }
    refused(&app, &signed(&app, &without(header(&app), "kid"), &claims()), "no kid");
    let stranger = TestApp::start_with(crate::test_app::Setup {
        next_key_from: Some(BEGIN),
        ..crate::test_app::Setup::default()
    });
    let keys = stranger.ask(Request::get("/keys")).json();
    let other = field(&keys["keys"][1], "kid");
    // A good token of another installation, whose key this one does not have; and one that names our key for it.
    let their_token = |kid: &str| {
        let message = format!(
            "{}.{}",
            encoded(with(header(&stranger), "kid", json!(kid)).to_string()),
            encoded(claims().to_string())
        );
        let key = stranger
            .keys
            .signing_key(crate::test_app::at(BEGIN))
            .expect("a key signs");
        assert_eq!(key.id(), other);
        format!(
            "{message}.{}",
            encoded(key.sign(message.as_bytes()).expect("the key signs"))
        )
    };
    refused(&app, &their_token(&other), "another installation");
    refused(
        &app,
        &their_token(&field(&header(&app), "kid").clone()),
        "our key named, another used",
    );
}

#[test]
fn a_header_with_more_than_ours_is_refused() {
    let app = TestApp::start();
    let jwk = app.ask(Request::get("/keys")).json()["keys"][0].clone();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("jwk", jwk),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/cert")),
        ("x5c", json!(["AAAA"])),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        refused(&app, &signed(&app, &with(header(&app), name, value), &claims()), name);
    }
    for typ in [
        json!("JWT"),
        json!("dpop+jwt"),
        json!("id+jwt"),
        json!("logout+jwt"),
        json!(""),
        json!(1),
        json!(["at+jwt"]),
        json!(null),
    ] {
        refused(
            &app,
            &signed(&app, &with(header(&app), "typ", typ.clone()), &claims()),
            &typ.to_string(),
        );
    }
    refused(&app, &signed(&app, &without(header(&app), "typ"), &claims()), "no typ");
    let good = header(&app).to_string();
    for (name, value) in [
        ("alg", "\"RS512\""),
        ("alg", "\"none\""),
        ("typ", "\"at+jwt\""),
        ("kid", "\"x\""),
    ] {
        let doubled = good.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        refused(&app, &signed_text(&app, &doubled, &claims().to_string()), &doubled);
    }
    for other in ["[]", "null", "\"RS512\"", "", "{", "{}"] {
        refused(&app, &signed_text(&app, other, &claims().to_string()), other);
    }
}

#[test]
fn a_token_that_was_touched_is_refused() {
    let app = TestApp::start();
    let good = token(&app, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else {
        panic!("three parts")
    };
    let other = encoded(with(claims(), "sub", json!("ana")).to_string());
    let last = |c: &str| format!("{}{c}", &signature[..signature.len() - 1]);
    for touched in [
        format!("{head}.{other}.{signature}"),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        head.to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!(".{body}.{signature}"),
        format!("{head}..{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{head}.{body}.{signature}="),
        format!("{head}.{body}.{signature}=="),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}=.{signature}"),
        format!("{head}.{body}.{}", &signature[..signature.len() - 2]),
        format!("{head}.{body}.{signature}AA"),
        format!("{head}.{body}.AA{signature}"),
        format!("{head}.{body}.{}", signature.chars().rev().collect::<String>()),
        format!("{head}.{body}.{}", "A".repeat(signature.len())),
        format!("{head}.{body}.{}", good.to_uppercase()),
        format!("{body}.{head}.{signature}"),
        format!("{head} .{body}.{signature}"),
        format!("{head}.{body}. {signature}"),
        format!("{good},{good}"),
        format!("{good} {good}"),
        format!("\"{good}\""),
    ] {
        refused(&app, &touched, &touched);
    }
    // A second spelling of the same signature: bits that mean nothing are not free.
    for c in ["A", "B", "Q", "R", "g", "h", "w", "x"] {
        if last(c) != signature {
            refused(&app, &format!("{head}.{body}.{}", last(c)), "the last character");
        }
    }
    accepted(&app, &good, "untouched");
}

#[test]
fn the_header_holds_one_bearer_token() {
    let app = TestApp::start();
    let good = token(&app, &claims());
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(
            app.ask(see().header("Authorization", &format!("{scheme} {good}")))
                .status,
            200
        );
    }
    for request in [
        see().bearer(&good).bearer(&good),
        see().bearer(&good).basic("portal", "x"),
        see().header("Authorization", &good),
        see().header("Authorization", &format!("JWT {good}")),
        see().header("Authorization", &format!("Bearer{good}")),
        see().header("Authorization", ""),
        see().header("X-Authorization", &format!("Bearer {good}")),
        see().query(&[("access_token", &good)]),
    ] {
        let answer = app.ask(request.clone());
        assert_eq!(answer.codes().0, 401, "{request:?}");
        assert_eq!(answer.json()[0]["code"], "02");
    }
}

#[test]
fn a_token_of_a_mebibyte_is_refused_and_the_server_answers_on() {
    let app = TestApp::start();
    let padded = |length: usize| token(&app, &with(claims(), "more", json!("x".repeat(length))));
    accepted(&app, &padded(1000), "an unknown claim");
    refused(&app, &padded(20_000), "longer than any of ours");
    let mut connection = Connection::open(app.address);
    let huge = format!(
        "GET /security/iam/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        padded(1 << 20)
    );
    connection.write(huge.as_bytes());
    connection.end();
    // Refused by the HTTP parser, which may hang up while we still write.
    if let Ok(answer) = connection.read(false) {
        assert!((400..500).contains(&answer.status), "{}", answer.shown());
    }
    assert_eq!(ask(app.address, Request::get("/keys")).status, 200);
}
