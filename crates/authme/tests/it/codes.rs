//! One-time codes over HTTP: docs/protocols.md "One-time codes".

use std::fs;

use serde_json::{Value, json};

use crate::add_contacts::{add_all, email, mobile, path};
use crate::fixtures::{ANA_MAIL, BIA_MAIL, to_strings};
use crate::test_app::{START, Setup, TestApp, field};
use test_support::http::{Answer, Request};

fn token_path(contact: &str) -> String {
    format!("{}/{contact}/token", path("me"))
}

fn send(app: &TestApp, bearer: &str, contact: &str) -> Answer {
    app.send(Request::post(&token_path(contact)).bearer(bearer))
}

fn validate(app: &TestApp, bearer: &str, contact: &str, body: &Value) -> Answer {
    let path = format!("{}/validate", token_path(contact));
    app.send(Request::post(&path).bearer(bearer).json(body))
}

fn answer(challenge: &str, code: &str) -> Value {
    json!({"challengeId": challenge, "token": code})
}

/// Returns the code of a challenge from the file of outgoing codes.
pub(crate) fn code(app: &TestApp, challenge: &str) -> String {
    let file = app.folder.path().join("data/outgoing-codes.jsonl");
    let lines = fs::read_to_string(file).expect("the file exists");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let mut lines = lines.filter(|line| line["challengeId"] == challenge);
    field(&lines.next().expect("the code was sent"), "code")
}

/// Validates a code that is sent to ana's main contact. Returns the code.
pub(crate) fn validate_a_code(app: &TestApp) -> String {
    let ana = app.user_token(ANA_MAIL, "portal");
    let challenge = field(&send(app, &ana, "ana-mail").json(), "challengeId");
    let code = code(app, &challenge);
    let validated = validate(app, &ana, "ana-mail", &answer(&challenge, &code));
    assert_eq!(validated.status, 204, "{}", validated.summary());
    code
}

fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

fn rejection(code: &str) -> (u16, Vec<String>) {
    (422, vec![code.to_owned()])
}

#[test]
fn a_code_is_sent_and_validated_once() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let ana = app.user_token(ANA_MAIL, "portal");
    let sent = send(&app, &ana, "c1");
    assert_eq!(sent.status, 201, "{}", sent.summary());
    assert_eq!(sent.header("cache-control"), Some("no-store"));
    let body = sent.json();
    let challenge = field(&body, "challengeId");
    let expected = json!({
        "challengeId": challenge, "expiresIn": (START + 600).to_string(), "contactType": "MOBILE",
        "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "*****2222"},
    });
    assert_eq!(body, expected);
    let code = code(&app, &challenge);
    assert_eq!(validate(&app, &ana, "c1", &answer(&challenge, &code)).summary(), "204 ");
    assert_eq!(
        validate(&app, &ana, "c1", &answer(&challenge, &code)).codes(),
        rejection("30")
    );
    assert_eq!(app.event_types("ana"), ["factor.added", "factor.verified"]);
}

#[test]
fn a_main_contact_gets_a_code() {
    let app = TestApp::start();
    let ana = app.user_token(ANA_MAIL, "portal");
    let sent = send(&app, &ana, "ana-mail").json();
    assert_eq!(sent["contactType"], "EMAIL");
    assert_eq!(sent["email"], "ex***le@br.e*******.com");
    assert!(sent.get("mobile").is_none());
    let challenge = field(&sent, "challengeId");
    let code = code(&app, &challenge);
    assert_eq!(validate(&app, &ana, "ana-mail", &answer(&challenge, &code)).status, 204);
}

#[test]
fn the_last_wrong_code_uses_up_the_attempts() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let ana = app.user_token(ANA_MAIL, "portal");
    let challenge = field(&send(&app, &ana, "c1").json(), "challengeId");
    let code = code(&app, &challenge);
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(validate(&app, &ana, "c1", &answer(&challenge, wrong(&code))).summary());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    for guess in [wrong(&code), &code] {
        let answered = validate(&app, &ana, "c1", &answer(&challenge, guess));
        assert_eq!(answered.codes(), rejection("31"));
    }
    assert_eq!(app.event_types("ana"), ["factor.added", "factor.attempts-exhausted"]);
    // The user is not locked, and another code can be right.
    let challenge = field(&send(&app, &ana, "c1").json(), "challengeId");
    let code = self::code(&app, &challenge);
    assert_eq!(validate(&app, &ana, "c1", &answer(&challenge, &code)).status, 204);
}

#[test]
fn used_up_attempts_prevent_sending_codes() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    for _ in 0..4 {
        let ana = app.user_token(ANA_MAIL, "portal");
        let challenge = field(&send(&app, &ana, "c1").json(), "challengeId");
        let code = code(&app, &challenge);
        for _ in 0..5 {
            let answered = validate(&app, &ana, "c1", &answer(&challenge, wrong(&code)));
            assert_eq!(answered.codes(), rejection("30"));
        }
        app.clock.advance_seconds(600);
    }
    let ana = app.user_token(ANA_MAIL, "portal");
    assert_eq!(send(&app, &ana, "c1").codes(), rejection("31"));
    assert_eq!(send(&app, &ana, "ana-mail").status, 201);
}

#[test]
fn wrong_code_and_unknown_challenge_look_the_same() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let ana = app.user_token(ANA_MAIL, "portal");
    let replaced = field(&send(&app, &ana, "c1").json(), "challengeId");
    let challenge = field(&send(&app, &ana, "c1").json(), "challengeId");
    let code = code(&app, &challenge);
    let answered = |challenge: &str, code: &str| {
        let answer = validate(&app, &ana, "c1", &answer(challenge, code));
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        (answer.summary(), headers)
    };
    let expected = answered(&challenge, wrong(&code));
    for (challenge, code) in [
        ("0123456789abcdef0123456789abcdef", code.as_str()),
        (&challenge.to_uppercase(), &code),
        ("", ""),
        (&replaced, &self::code(&app, &replaced)),
        (&challenge, "12345"),
        (&challenge, &format!("{code} ")),
        (&challenge, &"9".repeat(10_000)),
    ] {
        assert_eq!(answered(challenge, code), expected, "{challenge}");
    }
}

#[test]
fn unreadable_bodies_return_400_and_cost_no_attempt() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let ana = app.user_token(ANA_MAIL, "portal");
    let challenge = field(&send(&app, &ana, "c1").json(), "challengeId");
    let code = code(&app, &challenge);
    for body in [
        json!({}),
        json!({"challengeId": challenge}),
        json!({"token": code}),
        json!({"challengeId": challenge, "token": 123_456}),
        json!({"challengeId": challenge, "token": null}),
        json!({"challengeId": [challenge], "token": code}),
        json!([challenge, code]),
    ] {
        for _ in 0..2 {
            let answered = validate(&app, &ana, "c1", &body);
            assert_eq!(answered.codes(), (400, vec!["01".to_owned()]), "{body}");
        }
    }
    assert_eq!(send(&app, &ana, "me").status, 400);
    assert_eq!(validate(&app, &ana, "c1", &answer(&challenge, &code)).status, 204);
}

#[test]
fn too_many_codes_return_429_with_retry_after() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let ana = app.user_token(ANA_MAIL, "portal");
    for _ in 0..3 {
        assert_eq!(send(&app, &ana, "c1").status, 201);
        app.clock.advance_seconds(60);
    }
    let rejection = send(&app, &ana, "c1");
    assert_eq!(rejection.codes(), (429, vec!["32".to_owned()]));
    assert_eq!(rejection.header("retry-after"), Some("420"));
    app.clock.advance_seconds(420);
    let ana = app.user_token(ANA_MAIL, "portal");
    assert_eq!(send(&app, &ana, "c1").status, 201);
}

fn is_429(answer: &Answer) -> bool {
    answer.codes() == (429, vec!["32".to_owned()])
}

#[test]
fn a_stranger_cannot_use_up_the_codes_of_the_owner() {
    let app = TestApp::start();
    // The number that bia logs in with.
    add_all(&app, "ana", &[mobile("of-bia", "911110000")]);
    let (ana, bia) = (app.user_token(ANA_MAIL, "portal"), app.user_token(BIA_MAIL, "portal"));
    for _ in 0..3 {
        assert_eq!(send(&app, &ana, "of-bia").status, 201);
    }
    assert!(is_429(&send(&app, &ana, "of-bia")));
    for _ in 0..3 {
        assert_eq!(send(&app, &bia, "bia-mobile").status, 201);
    }
    assert!(is_429(&send(&app, &bia, "bia-mobile")));
}

#[test]
fn tags_of_an_address_do_not_refill_its_quota() {
    let app = TestApp::start();
    let addresses: Vec<Value> = (0..4)
        .map(|n| email(&format!("c{n}"), &format!("Target+{n}@example.org")))
        .collect();
    add_all(&app, "bia", &addresses);
    let bia = app.user_token(BIA_MAIL, "portal");
    for n in 0..3 {
        assert_eq!(send(&app, &bia, &format!("c{n}")).status, 201);
    }
    assert!(is_429(&send(&app, &bia, "c3")));
}

#[test]
fn a_number_of_another_region_gets_no_code() {
    let portuguese =
        json!({"id": "c1", "contactType": "MOBILE", "mobile": {"regionCode": "351", "phoneNumber": "912345678"}});
    let app = TestApp::start();
    add_all(&app, "ana", std::slice::from_ref(&portuguese));
    let rejected = send(&app, &app.user_token(ANA_MAIL, "portal"), "c1");
    let expected =
        r#"422 [{"code":"09","message":"codes are not sent to mobile numbers of this region","field":"mobile"}]"#;
    assert_eq!(rejected.summary(), expected);
    let app = TestApp::start_with(Setup {
        lists: vec![("sms.regions", to_strings(&["55", "351"]))],
        ..Setup::default()
    });
    add_all(&app, "ana", &[portuguese]);
    assert_eq!(send(&app, &app.user_token(ANA_MAIL, "portal"), "c1").status, 201);
}

#[test]
fn beyond_the_limit_of_the_process_codes_are_503() {
    let app = TestApp::with_settings(&[("codes.sends_per_hour", "2")]);
    let (ana, bia) = (app.user_token(ANA_MAIL, "portal"), app.user_token(BIA_MAIL, "portal"));
    assert_eq!(send(&app, &ana, "ana-mail").status, 201);
    app.clock.advance_seconds(60);
    assert_eq!(send(&app, &bia, "bia-mobile").status, 201);
    let rejected = send(&app, &ana, "ana-mail");
    assert_eq!(rejected.codes(), (503, vec!["90".to_owned()]));
    assert_eq!(rejected.header("retry-after"), Some("3540"));
    let metrics = app.metrics();
    for sample in [
        r#"{outcome="sent"} 2"#,
        r#"{outcome="process-limit"} 1"#,
        r#"{outcome="quota"} 0"#,
    ] {
        assert!(
            metrics.contains(&format!("authme_code_sends_total{sample}")),
            "{metrics}"
        );
    }
    app.clock.advance_seconds(3_540);
    assert_eq!(send(&app, &app.user_token(ANA_MAIL, "portal"), "ana-mail").status, 201);
}

#[test]
fn contacts_and_challenges_of_others_are_not_found() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let (ana, bia) = (app.user_token(ANA_MAIL, "portal"), app.user_token(BIA_MAIL, "portal"));
    let challenge = field(&send(&app, &ana, "c1").json(), "challengeId");
    let code = code(&app, &challenge);
    let not_found = (404, vec!["05".to_owned()]);
    for contact in ["c1", "ana-mail", "unknown"] {
        assert_eq!(send(&app, &bia, contact).codes(), not_found);
        let answered = validate(&app, &bia, contact, &answer(&challenge, &code));
        assert_eq!(answered.codes(), not_found);
    }
    // A contact of one user does not accept the challenge of another user's contact.
    let answered = validate(&app, &bia, "bia-mail", &answer(&challenge, &code));
    assert_eq!(answered.codes(), rejection("30"));
    assert_eq!(validate(&app, &ana, "c1", &answer(&challenge, &code)).status, 204);
}

/// Returns whether the text occurs as a word: six digits occur inside many numbers.
fn contains_word(bytes: &[u8], word: &str) -> bool {
    let is_part = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let starts = bytes.windows(word.len()).enumerate();
    let mut starts = starts.filter(|(_, window)| *window == word.as_bytes());
    starts.any(|(at, _)| !is_part(at.checked_sub(1)) && !is_part(Some(at + word.len())))
}

#[test]
fn store_and_events_contain_no_code() {
    let app = TestApp::start();
    let ana = app.user_token(ANA_MAIL, "portal");
    let items: Vec<Value> = (0..3)
        .map(|n| mobile(&format!("c{n}"), &format!("91111222{n}")))
        .collect();
    add_all(&app, "ana", &items);
    let mut codes = Vec::new();
    for n in 0..3 {
        let contact = format!("c{n}");
        let challenge = field(&send(&app, &ana, &contact).json(), "challengeId");
        let code = code(&app, &challenge);
        validate(&app, &ana, &contact, &answer(&challenge, wrong(&code)));
        if n > 0 {
            assert_eq!(validate(&app, &ana, &contact, &answer(&challenge, &code)).status, 204);
        }
        codes.push(code);
    }
    let events = Value::from(app.events()).to_string();
    for file in ["authme.sqlite", "authme.sqlite-wal"] {
        let bytes = fs::read(app.folder.path().join("data").join(file)).expect("the store exists");
        assert!(!bytes.is_empty(), "{file}");
        for code in &codes {
            assert!(!contains_word(&bytes, code), "{file} holds {code}");
            assert!(!contains_word(events.as_bytes(), code), "{events}");
        }
    }
    for answer in app.answers() {
        for code in &codes {
            assert!(!contains_word(answer.text().as_bytes(), code), "{}", answer.summary());
        }
    }
}

#[test]
fn an_unwritable_code_file_returns_503() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let ana = app.user_token(ANA_MAIL, "portal");
    let file = app.folder.path().join("data/outgoing-codes.jsonl");
    fs::remove_file(&file).expect("the file exists");
    fs::create_dir(&file).expect("the path is free");
    let rejection = send(&app, &ana, "c1");
    assert_eq!(rejection.codes(), (503, vec!["90".to_owned()]));
    assert!(rejection.header("retry-after").is_some());
    fs::remove_dir(&file).expect("it is empty");
    let challenge = field(&send(&app, &ana, "c1").json(), "challengeId");
    let code = code(&app, &challenge);
    assert_eq!(validate(&app, &ana, "c1", &answer(&challenge, &code)).status, 204);
}
