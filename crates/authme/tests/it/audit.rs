//! The audit trail: actor, operation, object, address and outcome.

use serde_json::{Value, json};

use crate::add_contacts::{mobile, path};
use crate::fixtures::{ANA_MAIL, ROOT_MAIL, secret_of};
use crate::operator::{Operator, Serving, eventually};
use crate::test_app::{Setup, TestApp, field};
use test_support::http::{Request, send};

/// Returns the records, without the members that differ from run to run. Panics if a record lacks one of these members.
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

/// Returns the records of requests, after a check of their request ids and addresses.
fn request_records(app: &TestApp) -> Vec<Value> {
    let mut records = records(&app.folder.path().join("data/audit.jsonl"));
    let ids: Vec<String> = app
        .answers()
        .iter()
        .filter_map(|answer| answer.header("x-request-id").map(str::to_owned))
        .collect();
    for record in &mut records {
        let members = record.as_object_mut().expect("an object");
        let id = members.remove("request_id").expect("a request id");
        assert!(ids.iter().any(|known| *known == id), "{id} belongs to no answer");
        assert_eq!(members.remove("address"), Some(json!("127.0.0.1")));
    }
    records
}

fn lock(app: &TestApp, operation: &str, bearer: &str, user: &str) -> u16 {
    let request = Request::post(&format!("/user-identities/{operation}")).bearer(bearer);
    app.send(request.json(&json!({"userId": user}))).status
}

#[test]
fn each_change_and_rejection_leaves_one_record() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let login = Request::post("/client-identities/login");
    assert_eq!(app.send(login.basic("portal", "wrong")).status, 401);
    assert_eq!(app.send(Request::get("/events").bearer("forged")).status, 401);
    let root = app.user_token(ROOT_MAIL, "portal");
    let portal = app.client_token("portal");
    assert_eq!(lock(&app, "lock", &portal, "ana"), 403);
    let items = json!({"authenticationFactors": [mobile("ana-second", "987654321")]});
    assert_eq!(
        app.send(Request::post(&path("ana")).bearer(&portal).json(&items))
            .status,
        201
    );
    assert_eq!(lock(&app, "lock", &root, "ana"), 204);
    assert_eq!(lock(&app, "unlock", &locker, "ana"), 204);
    // A read leaves no record.
    assert_eq!(
        app.send(Request::get("/user-identities/ana/lock").bearer(&locker))
            .status,
        200
    );

    let saml_login_record = |client: &str| {
        json!({"client": "gateway", "action": "handleAuth", "object": {"client": client, "user": "root"},
            "outcome": "done", "status": 200})
    };
    assert_eq!(
        request_records(&app),
        [
            json!({"action": "logInClient", "object": {"client": "portal"}, "outcome": "refused", "status": 401,
                "code": "02"}),
            json!({"action": "followEvents", "outcome": "refused", "status": 401, "code": "02"}),
            saml_login_record("portal"),
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
fn session_start_replay_and_end_are_recorded() {
    let app = TestApp::start();
    let session = app.session(ANA_MAIL);
    let portal = app.client_token("portal");
    let first = field(&session, "refreshToken");
    let before = request_records(&app).len();
    assert_eq!(app.renew(&portal, &first, "true").status, 200);
    assert_eq!(request_records(&app).len(), before, "a rotation is only in the log");
    assert_eq!(app.renew(&portal, &first, "true").status, 200);
    app.clock.advance_seconds(31);
    let portal = app.client_token("portal");
    assert_eq!(app.renew(&portal, &first, "true").status, 401);
    assert_eq!(app.renew(&portal, &first, "true").status, 401);
    let mut records = request_records(&app);
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
fn records_of_unauthenticated_callers_are_limited_and_counted() {
    let app = TestApp::start();
    for _ in 0..100 {
        assert_eq!(app.send(Request::get("/events").bearer("forged")).status, 401);
    }
    let written = request_records(&app).len();
    assert!((60..70).contains(&written), "{written}");
    let portal = app.client_token("portal");
    assert_eq!(lock(&app, "lock", &portal, "ana"), 403);
    let records = request_records(&app);
    let omitted = records.last().expect("a record")["omitted"].as_u64().expect("a number");
    let all = u64::try_from(records.len() - 1).expect("few") + omitted;
    assert_eq!(all, 100, "{records:?}");
}

#[test]
fn records_have_the_callers_address() {
    let app = TestApp::start_with(Setup {
        trusted_proxies: vec!["127.0.0.1".to_owned()],
        ..Setup::default()
    });
    let login = Request::post("/client-identities/login").basic("portal", "wrong");
    app.send(login.header("X-Forwarded-For", "192.0.2.7"));
    let records = records(&app.folder.path().join("data/audit.jsonl"));
    assert_eq!(records[0]["address"], "192.0.2.7");
}

fn run_and_parse(operator: &Operator, arguments: &[&str]) -> Vec<Value> {
    let mut all = operator.run_ok(arguments).lines();
    for record in &mut all {
        let members = record.as_object_mut().expect("an object");
        members.retain(|name, _| !["timestamp", "level", "target", "operator"].contains(&name.as_str()));
    }
    all
}

/// Runs every command that changes something. Returns the results that must not be in the trail, and the new key.
fn run_every_change(operator: &Operator) -> (Vec<Value>, Value) {
    let secret = operator
        .run_ok(&["client", "add", "portal", "--role", "CLI-1STPARTY"])
        .object();
    operator.run_ok(&[
        "client",
        "set",
        "portal",
        "--role",
        "CLI-1STPARTY",
        "--role",
        "CLI-AUTH-BASIC",
        "--saml",
    ]);
    operator.run_ok(&["client", "disable", "portal"]);
    let rotated = operator.run_ok(&["client", "rotate-secret", "portal"]).object();
    operator.run_ok(&["group", "add", "staff", "--role", "USER"]);
    operator.run_ok(&["role", "add", "AUDITOR"]);
    operator.run_ok(&["identity", "add", "--id", "ana", "--email", ANA_MAIL, "--role", "USER"]);
    operator.run_ok(&["identity", "set", "ana", "--email", ROOT_MAIL, "--group", "staff"]);
    operator.run_ok(&["identity", "show", "ana"]);
    operator.run_ok(&["identity", "show", "ana", "--reveal"]);
    operator.run_ok(&["identity", "find", ROOT_MAIL]);
    operator.run_ok(&["identity", "find", ROOT_MAIL, "--reveal"]);
    operator.run_ok(&["group", "remove", "staff"]);
    operator.run_ok(&["identity", "remove", "ana"]);
    let key = operator.run_ok(&["keys", "generate"]).object();
    operator.run_ok(&["keys", "list"]);
    let secrets = vec![secret["clientSecret"].clone(), rotated["clientSecret"].clone()];
    (secrets, key["kid"].clone())
}

#[expect(clippy::needless_pass_by_value, reason = "the arguments are literals")]
fn change(before: Value, after: Value) -> Value {
    json!({"before": before, "after": after})
}

#[expect(clippy::needless_pass_by_value, reason = "the arguments are literals")]
fn record(action: &str, object: Value, changes: Value) -> Value {
    json!({"action": action, "object": object, "outcome": "done", "changes": changes})
}

#[expect(clippy::needless_pass_by_value, reason = "the arguments are literals")]
fn without_changes(action: &str, object: Value) -> Value {
    json!({"action": action, "object": object, "outcome": "done"})
}

#[test]
fn commands_are_recorded_with_changes_and_operator() {
    let operator = Operator::new();
    let (secrets, key) = run_every_change(&operator);
    let trail = run_and_parse(&operator, &["audit"]);
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
            json!({"action": "identity find", "object": user, "outcome": "done", "reason": "contacts revealed"}),
            without_changes("group remove", json!({"group": "staff"})),
            without_changes("identity remove", user),
            without_changes("keys generate", json!({"key": key})),
        ]
    );
    let whole = operator.run_ok(&["audit"]).stdout;
    for secret in secrets.iter().chain([&json!(ANA_MAIL), &json!(ROOT_MAIL)]) {
        assert!(!whole.contains(secret.as_str().expect("a text")), "{whole}");
    }
    assert!(whole.lines().all(|line| line.contains(r#""operator":""#)), "{whole}");
}

#[test]
fn server_and_commands_share_one_trail() {
    let operator = Operator::new();
    operator.register_fixtures();
    let serving = Serving::start(&operator, &[("AUTHME__LOG__FILTER", "off")]);
    let login = |secret: &str| {
        let login = Request::post("/client-identities/login").basic("portal", secret);
        send(serving.address, login).status
    };
    let before = operator.run_ok(&["audit"]).lines().len();
    assert_eq!(login("wrong"), 401);
    operator.run_ok(&["client", "disable", "portal"]);
    eventually("the client is disabled", || login(&secret_of("portal")) == 401);
    let trail = operator.run_ok(&["audit"]).lines();
    let actions: Vec<&Value> = trail[before..].iter().map(|record| &record["action"]).collect();
    assert_eq!(actions[..2], [&json!("logInClient"), &json!("client disable")]);
    let since = trail[before + 1]["timestamp"].as_str().expect("a time").to_owned();
    let later = operator.run_ok(&["audit", "--since", &since]).lines();
    assert_eq!(later.first(), trail.get(before + 1));
    assert!(
        operator
            .run_ok(&["audit", "--since", "2999-01-01T00:00:00Z"])
            .stdout
            .is_empty()
    );
    // The log filter does not remove records from the log stream.
    let (code, log) = serving.stop();
    assert_eq!(code, Some(0));
    let request_records = log.lines().filter(|line| line.contains(r#""target":"audit""#));
    assert!(request_records.count() >= 2, "{log}");
    for line in log.lines() {
        serde_json::from_str::<Value>(line).expect("every line of the log is JSON");
    }
}
