//! The audit trail: who did what to what, from where, and how it ended.

use serde_json::{Value, json};

use crate::add_contacts::{mobile, path};
use crate::fixtures::{ANA_MAIL, ROOT_MAIL, secret_of};
use crate::operator::{Operator, Serving, comes_to_be};
use crate::test_app::{Setup, TestApp, field};
use crate::wire::{Request, ask};

/// The records so far, without what differs from run to run; each has all of it.
fn records(file: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the trail can be read");
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("a record is JSON");
        let members = record.as_object_mut().expect("an object");
        for name in ["timestamp", "level", "target"] {
            assert!(members.remove(name).is_some(), "{line}");
        }
        record
    };
    text.lines().map(record).collect()
}

/// Those of requests, each checked for its id and its address.
fn of_requests(app: &TestApp) -> Vec<Value> {
    let mut records = records(&app.folder.path().join("data/audit.jsonl"));
    let ids: Vec<String> = app
        .answers()
        .iter()
        .filter_map(|answer| answer.header("x-request-id").map(str::to_owned))
        .collect();
    for record in &mut records {
        let members = record.as_object_mut().expect("an object");
        let id = members.remove("request_id").expect("a request id");
        assert!(ids.iter().any(|known| *known == id), "{id}: of no answer");
        assert_eq!(members.remove("address"), Some(json!("127.0.0.1")));
    }
    records
}

fn lock(app: &TestApp, way: &str, bearer: &str, user: &str) -> u16 {
    let request = Request::post(&format!("/user-identities/{way}")).bearer(bearer);
    app.ask(request.json(&json!({"userId": user}))).status
}

#[test]
fn each_change_and_each_refusal_leaves_one_record() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let login = Request::post("/client-identities/login");
    assert_eq!(app.ask(login.basic("portal", "wrong")).status, 401);
    assert_eq!(app.ask(Request::get("/events").bearer("forged")).status, 401);
    let root = app.user_token(ROOT_MAIL, "portal");
    let portal = app.client_token("portal");
    assert_eq!(lock(&app, "lock", &portal, "ana"), 403);
    let items = json!({"authenticationFactors": [mobile("ana-second", "987654321")]});
    assert_eq!(
        app.ask(Request::post(&path("ana")).bearer(&portal).json(&items)).status,
        201
    );
    assert_eq!(lock(&app, "lock", &root, "ana"), 204);
    assert_eq!(lock(&app, "unlock", &locker, "ana"), 204);
    // Reading is no change.
    assert_eq!(
        app.ask(Request::get("/user-identities/ana/lock").bearer(&locker))
            .status,
        200
    );

    let handed_over = |client: &str| {
        json!({"client": "gateway", "action": "handleAuth", "object": {"client": client, "user": "root"},
            "outcome": "done", "status": 200})
    };
    assert_eq!(
        of_requests(&app),
        [
            json!({"action": "logInClient", "object": {"client": "portal"}, "outcome": "refused", "status": 401,
                "code": "02"}),
            json!({"action": "followEvents", "outcome": "refused", "status": 401, "code": "02"}),
            handed_over("portal"),
            json!({"client": "portal", "action": "renewToken", "object": {"user": "root"}, "outcome": "done",
                "reason": "validation token"}),
            json!({"client": "portal", "action": "lockCredential", "outcome": "refused", "status": 403, "code": "03"}),
            json!({"client": "portal", "action": "addContacts", "object": {"user": "ana"}, "outcome": "done",
                "status": 201}),
            json!({"client": "portal", "user": "root", "action": "lockCredential", "object": {"user": "ana"},
                "outcome": "done", "status": 204}),
            json!({"client": "locker", "action": "unlockCredential", "object": {"user": "ana"}, "outcome": "done",
                "status": 204}),
        ]
    );
}

#[test]
fn a_session_is_recorded_when_it_starts_when_a_spent_token_comes_back_and_when_it_ends() {
    let app = TestApp::start();
    let session = app.session(ANA_MAIL);
    let portal = app.client_token("portal");
    let first = field(&session, "refreshToken");
    let before = of_requests(&app).len();
    assert_eq!(app.renew(&portal, &first, "true").status, 200);
    assert_eq!(of_requests(&app).len(), before, "a session that goes on is in the log");
    assert_eq!(app.renew(&portal, &first, "true").status, 200);
    app.clock.advance(31);
    let portal = app.client_token("portal");
    assert_eq!(app.renew(&portal, &first, "true").status, 401);
    assert_eq!(app.renew(&portal, &first, "true").status, 401);
    let mut records = of_requests(&app);
    let sid = records[before - 1]["object"]["session"].take();
    assert!(sid.is_string(), "{records:?}");
    let object = json!({"user": "ana", "session": sid});
    assert_eq!(
        records[before - 1..],
        [
            json!({"client": "portal", "action": "renewToken", "object": {"user": "ana", "session": null},
                "outcome": "done", "reason": "validation token"}),
            json!({"client": "portal", "action": "renewToken", "object": object, "outcome": "done",
                "reason": "repeated in the grace time"}),
            json!({"client": "portal", "action": "endSession", "object": object, "outcome": "done", "reason": "replay"}),
        ]
    );
}

#[test]
fn strangers_cannot_fill_the_trail_and_what_they_did_beyond_is_counted() {
    let app = TestApp::start();
    for _ in 0..100 {
        assert_eq!(app.ask(Request::get("/events").bearer("forged")).status, 401);
    }
    let written = of_requests(&app).len();
    assert!((60..70).contains(&written), "{written}");
    let portal = app.client_token("portal");
    assert_eq!(lock(&app, "lock", &portal, "ana"), 403);
    let records = of_requests(&app);
    let omitted = records.last().expect("a record")["omitted"].as_u64().expect("a number");
    let all = u64::try_from(records.len() - 1).expect("few") + omitted;
    assert_eq!(all, 100, "{records:?}");
}

#[test]
fn the_address_is_the_callers_and_not_the_proxys() {
    let app = TestApp::start_with(Setup {
        trusted_proxies: vec!["127.0.0.1".to_owned()],
        ..Setup::default()
    });
    let login = Request::post("/client-identities/login").basic("portal", "wrong");
    app.ask(login.header("X-Forwarded-For", "192.0.2.7"));
    let records = records(&app.folder.path().join("data/audit.jsonl"));
    assert_eq!(records[0]["address"], "192.0.2.7");
}

fn printed(operator: &Operator, arguments: &[&str]) -> Vec<Value> {
    let mut all = operator.does(arguments).lines();
    for record in &mut all {
        let members = record.as_object_mut().expect("an object");
        members.retain(|name, _| !["timestamp", "level", "target", "operator"].contains(&name.as_str()));
    }
    all
}

/// Does something with every command that changes anything; what of its answers may not be in the trail, and the new key.
fn every_change(operator: &Operator) -> (Vec<Value>, Value) {
    let secret = operator
        .does(&["client", "add", "portal", "--role", "CLI-1STPARTY"])
        .object();
    operator.does(&[
        "client",
        "set",
        "portal",
        "--role",
        "CLI-1STPARTY",
        "--role",
        "CLI-AUTH-BASIC",
        "--saml",
    ]);
    operator.does(&["client", "disable", "portal"]);
    let rotated = operator.does(&["client", "rotate-secret", "portal"]).object();
    operator.does(&["group", "add", "staff", "--role", "USER"]);
    operator.does(&["role", "add", "AUDITOR"]);
    operator.does(&["identity", "add", "--id", "ana", "--email", ANA_MAIL, "--role", "USER"]);
    operator.does(&["identity", "set", "ana", "--email", ROOT_MAIL, "--group", "staff"]);
    operator.does(&["identity", "show", "ana"]);
    operator.does(&["identity", "show", "ana", "--reveal"]);
    operator.does(&["group", "remove", "staff"]);
    operator.does(&["identity", "remove", "ana"]);
    let key = operator.does(&["keys", "generate"]).object();
    operator.does(&["keys", "list"]);
    let secrets = vec![secret["clientSecret"].clone(), rotated["clientSecret"].clone()];
    (secrets, key["kid"].clone())
}

#[expect(clippy::needless_pass_by_value, reason = "a literal is read best where it is used")]
fn change(before: Value, after: Value) -> Value {
    json!({"before": before, "after": after})
}

#[expect(clippy::needless_pass_by_value, reason = "a literal is read best where it is used")]
fn record(action: &str, object: Value, changes: Value) -> Value {
    json!({"action": action, "object": object, "outcome": "done", "changes": changes})
}

#[expect(clippy::needless_pass_by_value, reason = "a literal is read best where it is used")]
fn without_changes(action: &str, object: Value) -> Value {
    json!({"action": action, "object": object, "outcome": "done"})
}

#[test]
fn a_command_is_recorded_with_what_it_changed_and_by_whom() {
    let operator = Operator::new();
    let (secrets, key) = every_change(&operator);
    let trail = printed(&operator, &["audit"]);
    let hidden = change(json!("hidden"), json!("hidden"));
    let client = json!({"client": "portal"});
    assert_eq!(trail[0]["action"], "client add");
    assert_eq!(
        trail[0]["changes"]["roles"],
        change(Value::Null, json!(["CLI-1STPARTY"]))
    );
    assert_eq!(
        trail[1..6],
        [
            record(
                "client set",
                client.clone(),
                json!({"roles": change(json!(["CLI-1STPARTY"]), json!(["CLI-1STPARTY", "CLI-AUTH-BASIC"])),
                "saml": change(json!(false), json!(true))})
            ),
            record(
                "client disable",
                client.clone(),
                json!({"enabled": change(json!(true), json!(false))})
            ),
            record(
                "client rotate-secret",
                client,
                json!({"secret": change(Value::Null, json!("hidden"))})
            ),
            record(
                "group add",
                json!({"group": "staff"}),
                json!({"roles": change(Value::Null, json!(["USER"]))})
            ),
            without_changes("role add", json!({"role": "AUDITOR"})),
        ]
    );
    let user = json!({"user": "ana"});
    assert_eq!(trail[6]["changes"]["email"], change(Value::Null, json!("hidden")));
    assert_eq!(
        trail[7..],
        [
            record(
                "identity set",
                user.clone(),
                json!({"email": hidden, "groups": change(json!([]), json!(["staff"]))})
            ),
            json!({"action": "identity show", "object": user, "outcome": "done", "reason": "contacts revealed"}),
            without_changes("group remove", json!({"group": "staff"})),
            without_changes("identity remove", user),
            without_changes("keys generate", json!({"key": key})),
        ]
    );
    let whole = operator.does(&["audit"]).stdout;
    for secret in secrets.iter().chain([&json!(ANA_MAIL), &json!(ROOT_MAIL)]) {
        assert!(!whole.contains(secret.as_str().expect("a text")), "{whole}");
    }
    assert!(whole.lines().all(|line| line.contains(r#""operator":""#)), "{whole}");
}

#[test]
fn the_trail_of_server_and_commands_is_one_and_is_read_from_a_time_on_and_as_it_grows() {
    let operator = Operator::new();
    operator.fixtures();
    let serving = Serving::start(&operator, &[("AUTHME__LOG__FILTER", "off")]);
    let login = |secret: &str| {
        let login = Request::post("/client-identities/login").basic("portal", secret);
        ask(serving.address, login).status
    };
    let before = operator.does(&["audit"]).lines().len();
    assert_eq!(login("wrong"), 401);
    operator.does(&["client", "disable", "portal"]);
    comes_to_be("the client is disabled", || login(&secret_of("portal")) == 401);
    let trail = operator.does(&["audit"]).lines();
    let actions: Vec<&Value> = trail[before..].iter().map(|record| &record["action"]).collect();
    assert_eq!(actions[..2], [&json!("logInClient"), &json!("client disable")]);
    let since = trail[before + 1]["timestamp"].as_str().expect("a time").to_owned();
    let later = operator.does(&["audit", "--since", &since]).lines();
    assert_eq!(later.first(), trail.get(before + 1));
    assert!(
        operator
            .does(&["audit", "--since", "2999-01-01T00:00:00Z"])
            .stdout
            .is_empty()
    );
    // No filter of the log takes a record off the log stream.
    let (code, log) = serving.end();
    assert_eq!(code, Some(0));
    let of_requests = log.lines().filter(|line| line.contains(r#""target":"audit""#));
    assert!(of_requests.count() >= 2, "{log}");
    for line in log.lines() {
        serde_json::from_str::<Value>(line).expect("every line of the log is JSON, the first one too");
    }
}
