//! Nothing leaks (04-promises C14): no unmasked contact in an answer, an event or a log, no secret in an event, in the
//! store's files or in a log.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::add_contacts::{email, mobile, path};
use crate::fixtures::{ANA_MAIL, BIA_MAIL, BUSINESS, ROOT_MAIL, secret_of};
use crate::operator::{Operator, Serving};
use crate::test_app::{TestApp, field};
use crate::wire::{Answer, Request, ask};

const CLIENTS: [&str; 5] = ["portal", "shop", "gateway", "locker", "maker"];
const NEW_MAIL: &str = "made.by.hand.off@example.org";
const ADDED_MAIL: &str = "second.address@example.net";
const UNKNOWN_MAIL: &str = "nobody.knows.this@example.edu";

/// Contacts that only the store may know whole; of a number the subscriber's part.
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

/// Whatever the story gave out that opens something.
#[derive(Default)]
struct Secrets {
    refresh: Vec<String>,
    validation: Vec<String>,
    access: Vec<String>,
}

impl Secrets {
    fn keep(&mut self, answer: &Answer) -> Value {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        for (name, kept) in [
            ("refreshToken", &mut self.refresh),
            ("validationToken", &mut self.validation),
            ("accessToken", &mut self.access),
        ] {
            kept.extend(body[name].as_str().map(str::to_owned));
        }
        body
    }

    /// Each whole, and of a refresh token its nonce and its MAC, of a validation token its bits.
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

/// Everything a day brings, good and bad: the secrets that went over the wire. `send` is given every request.
fn story(send: &dyn Fn(Request) -> Answer) -> Secrets {
    let mut secrets = Secrets::default();
    let mut login = |client: &str| {
        let answer = send(Request::post("/client-identities/login").basic(client, &secret_of(client)));
        field(&secrets.keep(&answer), "accessToken")
    };
    let [portal, _, gateway, locker, _] = CLIENTS.map(&mut login);
    send(Request::post("/client-identities/login").basic("portal", &secret_of("nobody")));

    let mut hand_off = |target: &str, body: Value| {
        let request = Request::post("/user-identities/handle-auth").query(&[("clientId", target)]);
        secrets.keep(&send(request.bearer(&gateway).json(&body)))
    };
    let ana = hand_off("portal", json!({"email": ANA_MAIL, "groups": []}));
    let bia = hand_off("portal", json!({"email": BIA_MAIL, "groups": []}));
    hand_off("maker", json!({"email": NEW_MAIL, "groups": [], "fullName": "New"}));
    hand_off("portal", json!({"email": UNKNOWN_MAIL, "groups": []}));
    hand_off(
        "portal",
        json!({"email": ANA_MAIL, "groups": [], "businessId": format!("not-{BUSINESS}")}),
    );
    hand_off("portal", json!({"email": format!("{UNKNOWN_MAIL} "), "groups": []}));
    hand_off(
        "portal",
        json!({"email": ANA_MAIL, "groups": [ANA_MAIL], "ip": ANA_MAIL}),
    );

    let mut renew = |token: &str, remember: &str| {
        let request = Request::post("/user-identities/renew-token");
        let request = request.query(&[("token", token), ("remember-me", remember)]);
        secrets.keep(&send(request.bearer(&portal)))
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

/// What the second half of the story needs.
struct Tokens {
    portal: String,
    locker: String,
    /// Of ana and of bia.
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
    for way in ["lock", "lock", "unlock"] {
        let body = json!({"userId": "bia", "reason": format!("asked by {ADDED_MAIL}, 987654321")});
        send(
            Request::post(&format!("/user-identities/{way}"))
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
fn holds_none(place: &str, haystack: &[u8], needles: &[String]) {
    let found: Vec<&String> = needles
        .iter()
        .filter(|needle| haystack.windows(needle.len()).any(|window| window == needle.as_bytes()))
        .collect();
    assert!(found.is_empty(), "{place} holds {found:?}");
}

fn contacts() -> Vec<String> {
    CONTACTS.map(str::to_owned).to_vec()
}

#[test]
fn no_answer_and_no_event_holds_an_unmasked_contact() {
    let app = TestApp::start();
    let secrets = story(&|request| app.ask(request));
    let events = app.events();
    assert!(events.len() >= 8, "the story is too short: {events:?}");
    for answer in app.answers() {
        let headers = format!("{:?}", answer.headers);
        let mut body = answer.text();
        if let Ok(Value::Object(mut lock)) = serde_json::from_str::<Value>(&body) {
            // Why somebody was locked is free text, for those who may lock.
            lock.remove("reason");
            body = Value::Object(lock).to_string();
        }
        holds_none(&answer.shown(), body.as_bytes(), &contacts());
        holds_none("a header", headers.as_bytes(), &contacts());
    }
    for token in &secrets.access {
        let claims = URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).expect("claims"))
            .expect("base64url");
        holds_none("an access token", &claims, &contacts());
    }
    let told: String = events.iter().map(Value::to_string).collect();
    holds_none("an event", told.as_bytes(), &contacts());
    holds_none("an event", told.as_bytes(), &secrets.pieces());
}

#[test]
fn no_error_repeats_a_secret() {
    let app = TestApp::start();
    let secrets = story(&|request| app.ask(request));
    for answer in app.answers().iter().filter(|answer| answer.status >= 400) {
        holds_none(&answer.shown(), &answer.body, &secrets.pieces());
    }
}

/// The trail says a lot of the story and nothing that opens something or reaches somebody.
#[track_caller]
fn audit_trail_holds_none(folder: &Path, needles: &[String]) {
    let trail = std::fs::read(folder.join("audit.jsonl")).expect("the trail can be read");
    let records = trail.split(|byte| *byte == b'\n').count();
    assert!(records > 10, "the trail tells too little to be tried: {records}");
    holds_none("the audit trail", &trail, needles);
}

#[track_caller]
fn files_hold_none(folder: &Path, needles: &[String]) {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("a plain name");
        if entry.file_type().expect("a type").is_file() {
            holds_none(
                &name,
                &std::fs::read(entry.path()).expect("the file can be read"),
                needles,
            );
            seen.push(name);
        }
    }
    for wanted in ["authme.sqlite", "authme.sqlite-wal"] {
        assert!(seen.iter().any(|name| name == wanted), "{seen:?}");
    }
}

#[test]
fn the_stores_files_hold_no_token_and_no_client_secret() {
    let app = TestApp::start();
    let secrets = story(&|request| app.ask(request));
    app.events();
    assert!(secrets.refresh.len() >= 4 && secrets.validation.len() >= 3 && secrets.access.len() >= 8);
    files_hold_none(&app.folder.path().join("data"), &secrets.pieces());
}

#[test]
fn a_log_that_tells_everything_holds_no_secret_and_no_contact() {
    let operator = Operator::new();
    operator.fixtures();
    let serving = Serving::start(&operator, &[("AUTHME__LOG__FILTER", "trace,actix_http=trace")]);
    let secrets = story(&|request| ask(serving.address, request));
    let (code, log) = serving.end();
    assert_eq!(code, Some(0));
    assert!(log.lines().count() > 50, "the log tells too little to be tried:\n{log}");
    holds_none("the log", log.as_bytes(), &secrets.pieces());
    holds_none("the log", log.as_bytes(), &contacts());
    files_hold_none(&operator.data(), &secrets.pieces());
    audit_trail_holds_none(&operator.data(), &secrets.pieces());
    audit_trail_holds_none(&operator.data(), &contacts());
}
