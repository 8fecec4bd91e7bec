//! Tokens that AuthMe never issued: each is rejected with 401 and code 02.

use serde_json::{Value, json};

use crate::hmac_sha512::hmac_sha512;
use crate::jwt::{encode, header, sign, sign_text, token, user_claims};
use crate::public_key_forms::public_key_encodings;
use crate::test_app::{START, TestApp, field};
use test_support::http::{Connection, Request, send};

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

pub(crate) fn get_lock() -> Request {
    Request::get("/user-identities/ana/lock")
}

#[track_caller]
pub(crate) fn assert_accepted(app: &TestApp, token: &str, what: &str) {
    let answer = app.send(get_lock().bearer(token));
    assert_eq!(answer.status, 200, "{what}: {}", answer.summary());
}

#[track_caller]
pub(crate) fn assert_rejected(app: &TestApp, token: &str, what: &str) {
    let answer = app.send(get_lock().bearer(token));
    assert_eq!(
        answer.summary(),
        r#"401 [{"code":"02","message":"the access token is expired or cannot be verified"}]"#,
        "{what}"
    );
    let challenge = "Bearer realm=\"authme\", error=\"invalid_token\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge), "{what}");
}

#[test]
fn a_valid_token_is_accepted() {
    let app = TestApp::start();
    assert_accepted(&app, &token(&app, &claims()), "an issued token");
    let several = with(claims(), "aud", json!(["other", "authme"]));
    assert_accepted(
        &app,
        &token(&app, &several),
        "an audience among others (RFC 7519 section 4.1.3)",
    );
}

#[test]
fn alg_none_is_rejected_in_every_spelling() {
    let app = TestApp::start();
    let good = token(&app, &claims());
    let signature = good.rsplit('.').next().expect("a signature");
    for alg in ["none", "None", "nOnE", "NONE", "", "null"] {
        let message = format!(
            "{}.{}",
            encode(with(header(&app), "alg", json!(alg)).to_string()),
            encode(claims().to_string())
        );
        for signature in ["", signature, "AA"] {
            assert_rejected(&app, &format!("{message}.{signature}"), alg);
        }
        assert_rejected(&app, &message, alg);
    }
    for alg in [json!(null), json!(["RS512"]), json!(1), json!({"alg": "RS512"})] {
        assert_rejected(
            &app,
            &sign(&app, &with(header(&app), "alg", alg.clone()), &claims()),
            &alg.to_string(),
        );
    }
    assert_rejected(&app, &sign(&app, &without(header(&app), "alg"), &claims()), "no alg");
}

#[test]
fn other_algorithms_are_rejected() {
    let app = TestApp::start();
    // The signature is a valid RS512 one; only the `alg` name differs.
    for alg in [
        "RS256", "RS384", "PS512", "PS256", "ES512", "EdDSA", "HS256", "HS512", "rs512", "RS512 ", "RSA-OAEP",
    ] {
        assert_rejected(
            &app,
            &sign(&app, &with(header(&app), "alg", json!(alg)), &claims()),
            alg,
        );
    }
}

#[test]
fn hmac_under_the_public_key_is_rejected() {
    let app = TestApp::start();
    for (form, key) in public_key_encodings(&app) {
        for alg in ["HS512", "hs512", "RS512"] {
            let message = format!(
                "{}.{}",
                encode(with(header(&app), "alg", json!(alg)).to_string()),
                encode(claims().to_string())
            );
            let mac = hmac_sha512(&key, message.as_bytes());
            assert_rejected(&app, &format!("{message}.{}", encode(mac)), &format!("{alg} {form}"));
        }
    }
}

#[test]
fn unknown_keys_are_rejected() {
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
        assert_rejected(
            &app,
            &sign(&app, &with(header(&app), "kid", json!(kid)), &claims()),
            kid,
        );
    }
    for kid in [json!(null), json!(1), json!(["a"]), json!({})] {
        assert_rejected(
            &app,
            &sign(&app, &with(header(&app), "kid", kid.clone()), &claims()),
            &kid.to_string(),
        );
    }
    assert_rejected(&app, &sign(&app, &without(header(&app), "kid"), &claims()), "no kid");
    let other_app = TestApp::start_with(crate::test_app::Setup {
        next_key_from: Some(START),
        ..crate::test_app::Setup::default()
    });
    let keys = other_app.send(Request::get("/keys")).json();
    let other = field(&keys["keys"][1], "kid");
    // A valid token of another installation, whose key is unknown to this one. Then the same token under the key id of this
    // installation.
    let foreign_token = |kid: &str| {
        let message = format!(
            "{}.{}",
            encode(with(header(&other_app), "kid", json!(kid)).to_string()),
            encode(claims().to_string())
        );
        let key = other_app
            .keys
            .signing_key(crate::test_app::at(START))
            .expect("a key signs");
        assert_eq!(key.id(), other);
        format!(
            "{message}.{}",
            encode(key.sign(message.as_bytes()).expect("the key signs"))
        )
    };
    assert_rejected(&app, &foreign_token(&other), "another installation");
    assert_rejected(
        &app,
        &foreign_token(&field(&header(&app), "kid").clone()),
        "another key under a known key id",
    );
}

#[test]
fn extra_header_members_are_rejected() {
    let app = TestApp::start();
    let jwk = app.send(Request::get("/keys")).json()["keys"][0].clone();
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
        assert_rejected(&app, &sign(&app, &with(header(&app), name, value), &claims()), name);
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
        assert_rejected(
            &app,
            &sign(&app, &with(header(&app), "typ", typ.clone()), &claims()),
            &typ.to_string(),
        );
    }
    assert_rejected(&app, &sign(&app, &without(header(&app), "typ"), &claims()), "no typ");
    let good = header(&app).to_string();
    for (name, value) in [
        ("alg", "\"RS512\""),
        ("alg", "\"none\""),
        ("typ", "\"at+jwt\""),
        ("kid", "\"x\""),
    ] {
        let doubled = good.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        assert_rejected(&app, &sign_text(&app, &doubled, &claims().to_string()), &doubled);
    }
    for other in ["[]", "null", "\"RS512\"", "", "{", "{}"] {
        assert_rejected(&app, &sign_text(&app, other, &claims().to_string()), other);
    }
}

#[test]
fn altered_tokens_are_rejected() {
    let app = TestApp::start();
    let good = token(&app, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else {
        panic!("three parts")
    };
    let other = encode(with(claims(), "sub", json!("ana")).to_string());
    let last = |c: &str| format!("{}{c}", &signature[..signature.len() - 1]);
    for altered in [
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
        assert_rejected(&app, &altered, &altered);
    }
    // A second encoding of the same signature. The unused bits must be zero.
    for c in ["A", "B", "Q", "R", "g", "h", "w", "x"] {
        if last(c) != signature {
            assert_rejected(&app, &format!("{head}.{body}.{}", last(c)), "the last character");
        }
    }
    assert_accepted(&app, &good, "unaltered");
}

#[test]
fn only_one_bearer_token_is_accepted() {
    let app = TestApp::start();
    let good = token(&app, &claims());
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(
            app.send(get_lock().header("Authorization", &format!("{scheme} {good}")))
                .status,
            200
        );
    }
    for request in [
        get_lock().bearer(&good).bearer(&good),
        get_lock().bearer(&good).basic("portal", "x"),
        get_lock().header("Authorization", &good),
        get_lock().header("Authorization", &format!("JWT {good}")),
        get_lock().header("Authorization", &format!("Bearer{good}")),
        get_lock().header("Authorization", ""),
        get_lock().header("X-Authorization", &format!("Bearer {good}")),
        get_lock().query(&[("access_token", &good)]),
    ] {
        let answer = app.send(request.clone());
        assert_eq!(answer.codes().0, 401, "{request:?}");
        assert_eq!(answer.json()[0]["code"], "02");
    }
}

#[test]
fn a_huge_token_is_rejected() {
    let app = TestApp::start();
    let padded = |length: usize| token(&app, &with(claims(), "more", json!("x".repeat(length))));
    assert_accepted(&app, &padded(1000), "an unknown claim");
    assert_rejected(&app, &padded(20_000), "longer than any issued token");
    let mut connection = Connection::open(app.address);
    let huge = format!(
        "GET /security/iam/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        padded(1 << 20)
    );
    connection.write(huge.as_bytes());
    connection.shutdown_write();
    // The HTTP parser rejects the request, and may close the connection while the client still writes.
    if let Ok(answer) = connection.read(false) {
        assert!((400..500).contains(&answer.status), "{}", answer.summary());
    }
    assert_eq!(send(app.address, Request::get("/keys")).status, 200);
}
