//! Claims that AuthMe never issues, under a valid signature of its own key: 401 with code 02.

use serde_json::{Value, json};

use crate::fixtures::ROOT_MAIL;
use crate::hostile_tokens::{assert_accepted, assert_rejected, claims, get_lock, with, without};
use crate::jwt::{header, sign_text, token};
use crate::test_app::{START, TestApp, at, at_millisecond, field};

#[test]
fn duplicate_claims_are_rejected() {
    let app = TestApp::start();
    let session = app.session(ROOT_MAIL);
    let sid = crate::jwt::claims(&field(&session, "accessToken"))["sid"].clone();
    let good = with(with(claims(), "sid", sid), "nbf", json!(START));
    assert_accepted(&app, &token(&app, &good), "each once");
    let text = good.to_string();
    let accepted_duplicate = |(name, value): (&String, &Value)| {
        let doubled = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        let token = sign_text(&app, &header(&app).to_string(), &doubled);
        (app.send(get_lock().bearer(&token)).codes() != (401, vec!["02".to_owned()])).then(|| name.clone())
    };
    let accepted: Vec<String> = good
        .as_object()
        .expect("an object")
        .iter()
        .filter_map(accepted_duplicate)
        .collect();
    assert_eq!(accepted, Vec::<String>::new());
}

#[test]
fn malformed_times_are_rejected() {
    let app = TestApp::start();
    for (name, values) in [
        (
            "exp",
            vec![
                json!("1767225900"),
                json!(1_767_225_900.5),
                json!(-1),
                json!(null),
                json!(1e300),
                json!([START + 300]),
            ],
        ),
        (
            "iat",
            vec![
                json!("1767225600"),
                json!(1_767_225_600.5),
                json!(-1),
                json!(null),
                json!(i64::MIN),
                json!(u64::MAX),
            ],
        ),
        ("nbf", vec![json!("1767225600"), json!(1_767_225_600.5), json!([])]),
    ] {
        for value in values {
            let what = format!("{name} {value}");
            assert_rejected(&app, &token(&app, &with(claims(), name, value)), &what);
        }
    }
}

#[test]
fn malformed_names_are_rejected() {
    let app = TestApp::start();
    for (name, values) in [
        (
            "iss",
            vec![
                json!(null),
                json!(1),
                json!({}),
                json!([]),
                json!("https://evil.test"),
                json!("https://authme.test/"),
                json!("HTTPS://AUTHME.TEST"),
                json!(""),
            ],
        ),
        (
            "aud",
            vec![
                json!(null),
                json!(1),
                json!([]),
                json!(["other"]),
                json!("other"),
                json!("authme "),
                json!("AUTHME"),
                json!({"authme": 1}),
            ],
        ),
        (
            "sub",
            vec![json!(null), json!(1), json!("ana"), json!("portal"), json!("")],
        ),
        ("client_id", vec![json!(null), json!(1), json!("a b"), json!("")]),
        ("user_id", vec![json!(1), json!("ana"), json!(["root"]), json!("")]),
        ("business_id", vec![json!(1), json!("a/b"), json!("")]),
        ("sid", vec![json!(1), json!("a/b"), json!("")]),
        ("epoch", vec![json!(-1), json!("0"), json!(0.5), json!(null)]),
        (
            "roles",
            vec![json!("IAM_ADMIN_MAINTENANCE"), json!(null), json!([1]), json!({})],
        ),
        ("scope", vec![json!(["account_lock"]), json!(null), json!(1)]),
    ] {
        for value in values {
            let what = format!("{name} {value}");
            assert_rejected(&app, &token(&app, &with(claims(), name, value)), &what);
        }
    }
}

#[test]
fn missing_or_malformed_claims_are_rejected() {
    let app = TestApp::start();
    for name in [
        "iss",
        "aud",
        "exp",
        "iat",
        "sub",
        "client_id",
        "roles",
        "epoch",
        "user_id",
    ] {
        assert_rejected(&app, &token(&app, &without(claims(), name)), name);
    }
    for other in ["[]", "null", "1", "", "{", "{}"] {
        assert_rejected(&app, &sign_text(&app, &header(&app).to_string(), other), other);
    }
}

#[test]
fn an_issuer_array_is_rejected() {
    let app = TestApp::start();
    for issuers in [
        json!(["https://authme.test"]),
        json!(["https://authme.test", "https://evil.test"]),
    ] {
        assert_rejected(
            &app,
            &token(&app, &with(claims(), "iss", issuers.clone())),
            &issuers.to_string(),
        );
    }
}

#[test]
fn times_are_checked_to_the_second() {
    let app = TestApp::start();
    let lasting = |iat: i64, exp: i64| token(&app, &with(with(claims(), "iat", json!(iat)), "exp", json!(exp)));
    assert_rejected(&app, &lasting(START, START), "expires when it is issued");
    assert_rejected(&app, &lasting(START - 300, START - 1), "expired");
    assert_rejected(&app, &lasting(START + 10, START + 5), "expires before it is issued");
    assert_accepted(&app, &lasting(START, START + 3600), "the longest lifetime");
    assert_rejected(&app, &lasting(START, START + 3601), "a lifetime above the limit");
    assert_rejected(&app, &lasting(START - 7200, START + 300), "a lifetime above the limit");
    assert_rejected(&app, &lasting(0, i64::MAX), "a lifetime above the limit");
    assert_rejected(&app, &lasting(i64::MIN, i64::MAX), "a lifetime that overflows");
    assert_accepted(&app, &lasting(START + 60, START + 300), "a clock that is 60 s ahead");
    assert_rejected(&app, &lasting(START + 61, START + 300), "a clock that is 61 s ahead");
    let not_before = |nbf: i64| token(&app, &with(claims(), "nbf", json!(nbf)));
    assert_accepted(&app, &not_before(START), "now");
    assert_rejected(&app, &not_before(START + 1), "not yet");

    let earlier = lasting(START, START + 10);
    let later = lasting(START + 1, START + 11);
    assert_accepted(&app, &earlier, "before its expiry");
    app.clock.set(at_millisecond((START + 10) * 1000 - 1));
    assert_accepted(&app, &earlier, "in its last millisecond");
    app.clock.set(at(START + 10));
    assert_rejected(&app, &earlier, "expired at the exact second");
    assert_accepted(&app, &later, "before its expiry");
    app.clock.set(at(START + 11));
    assert_rejected(&app, &later, "expired at the exact second");
}
