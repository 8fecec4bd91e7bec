//! C14 (docs/promises.md): no answer, event or log contains an unmasked contact, and no event, store file or log
//! contains a secret.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::add_contacts::{email, mobile, path};
use crate::codes::validate_a_code;
use crate::fixtures::{ANA_MAIL, BIA_MAIL, BUSINESS, ROOT_MAIL, secret_of};
use crate::operator::{Operator, Serving};
use crate::spans::Capture;
use crate::test_app::{TestApp, field};
use test_support::http::{Answer, Request, send};

const CLIENTS: [&str; 5] = ["portal", "shop", "gateway", "locker", "maker"];
const NEW_MAIL: &str = "created.by.saml@example.org";
const ADDED_MAIL: &str = "second.address@example.net";
const UNKNOWN_MAIL: &str = "unknown.user@example.edu";

/// Contacts that only the store may contain unmasked. Numbers are listed without region and area code.
const CONTACTS: [&str; 8] = [
    ANA_MAIL,
    BIA_MAIL,
    ROOT_MAIL,
    NEW_MAIL,
    ADDED_MAIL,
    UNKNOWN_MAIL,
    "911110000",
    "987654321",
];

/// The secrets that were issued in the scenario.
#[derive(Default)]
struct Secrets {
    refresh: Vec<String>,
    validation: Vec<String>,
    access: Vec<String>,
}

impl Secrets {
    fn record(&mut self, answer: &Answer) -> Value {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        for (name, tokens) in [
            ("refreshToken", &mut self.refresh),
            ("validationToken", &mut self.validation),
            ("accessToken", &mut self.access),
        ] {
            tokens.extend(body[name].as_str().map(str::to_owned));
        }
        body
    }

    /// Returns each secret, and each part whose disclosure would be a leak by itself: the MAC of a refresh token, the random
    /// part of a validation token, and the signature of an access token.
    fn pieces(&self) -> Vec<String> {
        let mut pieces: Vec<String> = CLIENTS.iter().map(|client| secret_of(client)).collect();
        for token in &self.refresh {
            pieces.push(token.clone());
            pieces.push(token.rsplit('.').next().expect("a mac").to_owned());
        }
        for token in &self.validation {
            pieces.push(token.clone());
            pieces.push(token.trim_start_matches("vt_").to_owned());
        }
        for token in &self.access {
            pieces.push(token.clone());
            pieces.push(token.rsplit('.').next().expect("a signature").to_owned());
        }
        pieces
    }
}

/// Sends valid and invalid requests of every kind through `send`, and returns the secrets that went over the wire.
fn scenario(send: &dyn Fn(Request) -> Answer) -> Secrets {
    let mut secrets = Secrets::default();
    let mut login = |client: &str| {
        let answer = send(Request::post("/client-identities/login").basic(client, &secret_of(client)));
        field(&secrets.record(&answer), "accessToken")
    };
    let [portal, _, gateway, locker, _] = CLIENTS.map(&mut login);
    send(Request::post("/client-identities/login").basic("portal", &secret_of("nobody")));

    let mut saml_login = |target: &str, body: Value| {
        let request = Request::post("/user-identities/handle-auth").query(&[("clientId", target)]);
        secrets.record(&send(request.bearer(&gateway).json(&body)))
    };
    let ana = saml_login("portal", json!({"email": ANA_MAIL, "groups": []}));
    let bia = saml_login("portal", json!({"email": BIA_MAIL, "groups": []}));
    saml_login("maker", json!({"email": NEW_MAIL, "groups": [], "fullName": "New"}));
    saml_login("portal", json!({"email": UNKNOWN_MAIL, "groups": []}));
    saml_login(
        "portal",
        json!({"email": ANA_MAIL, "groups": [], "businessId": format!("not-{BUSINESS}")}),
    );
    saml_login("portal", json!({"email": format!("{UNKNOWN_MAIL} "), "groups": []}));
    saml_login(
        "portal",
        json!({"email": ANA_MAIL, "groups": [ANA_MAIL], "ip": ANA_MAIL}),
    );

    let mut renew = |token: &str, remember: &str| {
        let request = Request::post("/user-identities/renew-token");
        let request = request.query(&[("token", token), ("remember-me", remember)]);
        secrets.record(&send(request.bearer(&portal)))
    };
    let first = renew(&field(&ana, "validationToken"), "true");
    let spent = field(&first, "refreshToken");
    let second = renew(&spent, "true");
    let third = renew(&field(&second, "refreshToken"), "true");
    let bias = renew(&field(&bia, "validationToken"), "true");
    renew(&field(&third, "refreshToken"), "maybe");
    renew(&spent, "true");
    renew(&format!("{spent}0"), "true");
    send(
        Request::post("/user-identities/renew-token")
            .query(&[("token", &spent), ("token", &spent)])
            .bearer(&portal)
            .body(format!("{{\"token\":\"{spent}\"")),
    );

    let tokens = Tokens {
        portal,
        locker,
        sessions: [third, bias],
        spent,
    };
    contacts_and_locks(send, &tokens);
    secrets
}

/// The tokens that the second half of the scenario needs.
struct Tokens {
    portal: String,
    locker: String,
    /// Access tokens of ana and bia.
    sessions: [Value; 2],
    spent: String,
}

fn contacts_and_locks(send: &dyn Fn(Request) -> Answer, tokens: &Tokens) {
    let Tokens {
        portal,
        locker,
        sessions,
        spent,
    } = tokens;
    let add = |user: &str, items: Value| {
        send(
            Request::post(&path(user))
                .bearer(portal)
                .json(&json!({"authenticationFactors": items})),
        )
    };
    let good = mobile("ana-second", "987654321");
    add(
        "ana",
        json!([good, mobile("ana-third", "987654321"), email("ana-fourth", ADDED_MAIL)]),
    );
    add(
        "bia",
        json!([
            email("bia-second", ADDED_MAIL),
            email("bia-third", &format!("{ADDED_MAIL}@"))
        ]),
    );
    add(
        "bia",
        json!([{"id": ADDED_MAIL, "contactType": "EMAIL", "email": ADDED_MAIL}]),
    );
    add(
        "bia",
        json!([{"id": "x", "contactType": ADDED_MAIL, "email": [ADDED_MAIL], "mobile": "987654321"}]),
    );
    for session in sessions {
        send(Request::get(&path("me")).bearer(&field(session, "accessToken")));
    }
    for operation in ["lock", "lock", "unlock"] {
        let body = json!({"userId": "bia", "reason": format!("asked by {ADDED_MAIL}, 987654321")});
        send(
            Request::post(&format!("/user-identities/{operation}"))
                .bearer(locker)
                .json(&body),
        );
        send(Request::get("/user-identities/bia/lock").bearer(locker));
        let request = Request::post("/user-identities/renew-token");
        let request = request.query(&[("token", &field(&sessions[1], "refreshToken")), ("remember-me", "true")]);
        send(request.bearer(portal));
    }
    send(Request::at_root("GET", &format!("/{ANA_MAIL}/{spent}?token={spent}")));
    send(Request::get(&format!("/user-identities/{ANA_MAIL}/lock")).bearer(locker));
    send(Request::get("/events").query(&[("after", spent)]).bearer(locker));
}

#[track_caller]
fn assert_absent(source: &str, haystack: &[u8], needles: &[String]) {
    let leaked: Vec<&String> = needles
        .iter()
        .filter(|needle| haystack.windows(needle.len()).any(|window| window == needle.as_bytes()))
        .collect();
    assert!(leaked.is_empty(), "{source} contains {leaked:?}");
}

fn contacts() -> Vec<String> {
    CONTACTS.map(str::to_owned).to_vec()
}

#[test]
fn answers_and_events_contain_no_unmasked_contact() {
    let app = TestApp::start();
    let secrets = scenario(&|request| app.send(request));
    let events = app.events();
    assert!(events.len() >= 8, "the scenario is too short: {events:?}");
    for answer in app.answers() {
        let headers = format!("{:?}", answer.headers);
        let mut body = answer.text();
        if let Ok(Value::Object(mut lock)) = serde_json::from_str::<Value>(&body) {
            // The reason of a lock is free text, and only callers that may lock can read it.
            lock.remove("reason");
            body = Value::Object(lock).to_string();
        }
        assert_absent(&answer.summary(), body.as_bytes(), &contacts());
        assert_absent("a header", headers.as_bytes(), &contacts());
    }
    for token in &secrets.access {
        let claims = URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).expect("claims"))
            .expect("base64url");
        assert_absent("an access token", &claims, &contacts());
    }
    let text: String = events.iter().map(Value::to_string).collect();
    assert_absent("an event", text.as_bytes(), &contacts());
    assert_absent("an event", text.as_bytes(), &secrets.pieces());
}

#[test]
fn errors_contain_no_secret() {
    let app = TestApp::start();
    let secrets = scenario(&|request| app.send(request));
    for answer in app.answers().iter().filter(|answer| answer.status >= 400) {
        assert_absent(&answer.summary(), &answer.body, &secrets.pieces());
    }
}

/// Checks that the trail records the scenario and does not contain `needles`.
#[track_caller]
fn assert_absent_from_audit_trail(folder: &Path, needles: &[String]) {
    let trail = std::fs::read(folder.join("audit.jsonl")).expect("the trail can be read");
    let records = trail.split(|byte| *byte == b'\n').count();
    assert!(records > 10, "too few records for this check: {records}");
    assert_absent("the audit trail", &trail, needles);
}

#[track_caller]
fn assert_absent_from_files(folder: &Path, needles: &[String]) {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("a plain name");
        if entry.file_type().expect("a type").is_file() {
            assert_absent(
                &name,
                &std::fs::read(entry.path()).expect("the file can be read"),
                needles,
            );
            seen.push(name);
        }
    }
    assert!(seen.iter().any(|name| name == "authme.sqlite"), "{seen:?}");
}

#[test]
fn store_files_contain_no_token_and_no_secret() {
    let app = TestApp::start();
    let secrets = scenario(&|request| app.send(request));
    app.events();
    assert!(secrets.refresh.len() >= 4 && secrets.validation.len() >= 3 && secrets.access.len() >= 8);
    assert_absent_from_files(&app.folder.path().join("data"), &secrets.pieces());
}

#[test]
fn spans_contain_no_secret_and_no_contact() {
    let app = TestApp::start();
    let capture = Capture::start();
    let secrets = scenario(&|request| app.send(request));
    let code = validate_a_code(&app);
    app.events();
    let log = capture.log();
    for use_case in [
        "renew_token",
        "handle_auth",
        "add_contacts",
        "validate_code",
        "lock_credential",
    ] {
        assert!(
            log.contains(&format!(r#""name":"{use_case}""#)),
            "no span of {use_case}"
        );
    }
    assert_absent("a span", log.as_bytes(), &secrets.pieces());
    assert_absent("a span", log.as_bytes(), &contacts());
    let mut words = log.split(|c: char| !c.is_alphanumeric());
    assert!(words.all(|word| word != code), "a span contains a code");
}

#[test]
fn trace_logs_contain_no_secret_and_no_contact() {
    let operator = Operator::new();
    operator.register_fixtures();
    let serving = Serving::start(&operator, &[("AUTHME__LOG__FILTER", "trace,actix_http=trace")]);
    let secrets = scenario(&|request| send(serving.address, request));
    let (code, log) = serving.stop();
    assert_eq!(code, Some(0));
    assert!(log.lines().count() > 50, "too few lines for this check:\n{log}");
    assert_absent("the log", log.as_bytes(), &secrets.pieces());
    assert_absent("the log", log.as_bytes(), &contacts());
    assert_absent_from_files(&operator.data(), &secrets.pieces());
    assert_absent_from_audit_trail(&operator.data(), &secrets.pieces());
    assert_absent_from_audit_trail(&operator.data(), &contacts());
}
