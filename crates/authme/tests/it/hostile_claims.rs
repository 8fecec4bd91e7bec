//! Claims that were never ours, under our own key's good signature (04-promises 3): 401 with code 02.

use serde_json::{Value, json};

use crate::fixtures::ROOT_MAIL;
use crate::hostile_tokens::{accepted, claims, refused, see, with, without};
use crate::jwt::{header, signed_text, token};
use crate::test_app::{BEGIN, TestApp, field};

#[test]
fn claims_that_stand_twice_are_refused() {
    let app = TestApp::start();
    let session = app.session(ROOT_MAIL);
    let sid = crate::jwt::claims(&field(&session, "accessToken"))["sid"].clone();
    let good = with(with(claims(), "sid", sid), "nbf", json!(BEGIN));
    accepted(&app, &token(&app, &good), "each once");
    let text = good.to_string();
    let is_accepted = |(name, value): (&String, &Value)| {
        let doubled = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        let token = signed_text(&app, &header(&app).to_string(), &doubled);
        (app.ask(see().bearer(&token)).codes() != (401, vec!["02".to_owned()])).then(|| name.clone())
    };
    let accepted: Vec<String> = good
        .as_object()
        .expect("an object")
        .iter()
        .filter_map(is_accepted)
        .collect();
    assert_eq!(accepted, Vec::<String>::new());
}

#[test]
fn times_of_another_form_are_refused() {
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
                json!([BEGIN + 300]),
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
            refused(&app, &token(&app, &with(claims(), name, value)), &what);
        }
    }
}

#[test]
fn names_of_another_form_are_refused() {
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
            refused(&app, &token(&app, &with(claims(), name, value)), &what);
        }
    }
}

#[test]
fn claims_that_are_absent_or_no_object_are_refused() {
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
        refused(&app, &token(&app, &without(claims(), name)), name);
    }
    for other in ["[]", "null", "1", "", "{", "{}"] {
        refused(&app, &signed_text(&app, &header(&app).to_string(), other), other);
    }
}

#[test]
fn an_issuer_is_one_text_and_not_one_among_others() {
    let app = TestApp::start();
    for issuers in [
        json!(["https://authme.test"]),
        json!(["https://authme.test", "https://evil.test"]),
    ] {
        refused(
            &app,
            &token(&app, &with(claims(), "iss", issuers.clone())),
            &issuers.to_string(),
        );
    }
}

#[test]
fn times_are_judged_to_the_second() {
    let app = TestApp::start();
    let at = |iat: i64, exp: i64| token(&app, &with(with(claims(), "iat", json!(iat)), "exp", json!(exp)));
    refused(&app, &at(BEGIN, BEGIN), "expired as it began");
    refused(&app, &at(BEGIN - 300, BEGIN - 1), "expired");
    refused(&app, &at(BEGIN + 10, BEGIN + 5), "ends before it begins");
    accepted(&app, &at(BEGIN, BEGIN + 3600), "the longest life");
    refused(&app, &at(BEGIN, BEGIN + 3601), "longer than any of ours");
    refused(&app, &at(BEGIN - 7200, BEGIN + 300), "longer than any of ours");
    refused(&app, &at(0, i64::MAX), "longer than any of ours");
    refused(&app, &at(i64::MIN, i64::MAX), "no life at all");
    accepted(&app, &at(BEGIN + 60, BEGIN + 300), "another machine's clock");
    refused(&app, &at(BEGIN + 61, BEGIN + 300), "from the future");
    let not_before = |nbf: i64| token(&app, &with(claims(), "nbf", json!(nbf)));
    accepted(&app, &not_before(BEGIN), "now");
    refused(&app, &not_before(BEGIN + 1), "not yet");

    let remembered = at(BEGIN, BEGIN + 10);
    let later = at(BEGIN + 1, BEGIN + 11);
    accepted(&app, &remembered, "alive");
    app.clock.set_millisecond((BEGIN + 10) * 1000 - 1);
    accepted(&app, &remembered, "alive to the last millisecond");
    app.clock.set(BEGIN + 10);
    refused(&app, &remembered, "expired at the exact second");
    accepted(&app, &later, "alive");
    app.clock.set(BEGIN + 11);
    refused(&app, &later, "expired at the exact second");
}
