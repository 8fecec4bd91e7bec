//! `authme backup` while a server runs, and `authme restore`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixtures::{ANA_MAIL, secret_of};
use crate::operator::{Operator, Serving};
use crate::stopping::rounds;
use crate::test_app::field;
use test_support::http::{Answer, Request, send};

/// A server that moves keeps its issuer, so its tokens would be valid on the restored store.
const ISSUER: [(&str, &str); 1] = [("AUTHME__TOKENS__ISSUER", "https://authme.example")];

fn log_in(address: SocketAddr, client: &str) -> String {
    let login = Request::post("/client-identities/login").basic(client, &secret_of(client));
    field(&send(address, login).json(), "accessToken")
}

fn lock(address: SocketAddr, token: &str, operation: &str, user: &str) {
    let request = Request::post(&format!("/user-identities/{operation}")).bearer(token);
    assert_eq!(send(address, request.json(&json!({"userId": user}))).status, 204);
}

fn renew(address: SocketAddr, bearer: &str, token: &str) -> Answer {
    let request = Request::post("/user-identities/renew-token");
    let query = [("token", token), ("remember-me", "true")];
    send(address, request.query(&query).bearer(bearer))
}

/// Logs Ana in at the portal and returns her tokens.
fn start_session(address: SocketAddr, portal: &str) -> Value {
    let saml = Request::post("/user-identities/handle-auth").query(&[("clientId", "portal")]);
    let saml = saml.bearer(&log_in(address, "gateway"));
    let validation_token = send(address, saml.json(&json!({"email": ANA_MAIL, "groups": []}))).json();
    renew(address, portal, &field(&validation_token, "validationToken")).json()
}

/// Waits for a number of events, and returns all.
fn events(address: SocketAddr, token: &str, count: usize) -> Vec<Value> {
    loop {
        let request = Request::get("/events").query(&[("wait", "0")]).bearer(token);
        let text = send(address, request).text();
        let events: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        // The test runner's timeout ends a wait for events that never come.
        if events.len() >= count {
            return events;
        }
    }
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().expect("a number")
}

/// What callers hold when the server is lost.
struct Held {
    portal: String,
    tokens: Value,
    last_event: Value,
}

/// Backs a server up while it runs, and then locks and unlocks Ana. The backup does not have these.
fn lose_a_server(operator: &Operator) -> (String, Held) {
    operator.register_fixtures();
    let serving = Serving::start(operator, &ISSUER);
    let address = serving.address;
    let (portal, locker) = (log_in(address, "portal"), log_in(address, "locker"));
    lock(address, &locker, "lock", "ana");
    lock(address, &locker, "unlock", "ana");
    let tokens = start_session(address, &portal);
    lock(address, &locker, "lock", "bia");
    events(address, &locker, 4);
    let backup = operator.folder().join("backup").to_str().expect("UTF-8").to_owned();
    let line = operator.run_ok(&["backup", &backup]).object();
    assert_eq!(line["backup"], json!(backup));
    for operation in ["lock", "unlock", "lock", "unlock"] {
        lock(address, &locker, operation, "ana");
    }
    let last_event = events(address, &locker, 8).pop().expect("an event");
    assert_eq!(serving.stop().0, Some(0));
    (
        backup,
        Held {
            portal,
            tokens,
            last_event,
        },
    )
}

#[test]
fn a_restored_store_accepts_nothing_from_before() {
    let operator = Operator::new();
    let (backup, held) = lose_a_server(&operator);
    let restored = Operator::new();
    let line = restored.run_ok(&["restore", &backup]).object();
    let base = number(&line["base"]);
    let serving = Serving::start(&restored, &ISSUER);
    let address = serving.address;

    let refresh = field(&held.tokens, "refreshToken");
    assert_eq!(
        renew(address, &held.portal, &refresh).status,
        401,
        "the client's token is inactive"
    );
    let portal = log_in(address, "portal");
    assert_eq!(renew(address, &portal, &refresh).status, 401, "the session has ended");
    let access = field(&held.tokens, "accessToken");
    let introspect = Request::post("/tokens/introspect").bearer(&portal);
    let introspected = send(address, introspect.form(&[("token", &access)]));
    assert_eq!(
        (introspected.status, introspected.json()),
        (200, json!({"active": false}))
    );

    // Locks have the state of the backup, and new sessions work.
    let locker = log_in(address, "locker");
    let is_locked = |user: &str| {
        let request = Request::get(&format!("/user-identities/{user}/lock")).bearer(&locker);
        send(address, request).json()["locked"].clone()
    };
    assert_eq!((is_locked("ana"), is_locked("bia")), (json!(false), json!(true)));
    let session = start_session(address, &portal);
    assert_eq!(renew(address, &portal, &field(&session, "refreshToken")).status, 200);

    // No consumer takes a new event for one that it has seen.
    lock(address, &locker, "lock", "ana");
    let is_new_lock = |event: &Value| {
        event["type"] == "credential.locked" && event["subject"] == "ana" && number(&event["cursor"]) > base
    };
    // The test runner's timeout ends a wait for an event that never comes.
    let new = loop {
        if let Some(event) = events(address, &locker, 0).into_iter().find(is_new_lock) {
            break event;
        }
    };
    assert!(number(&new["data"]["epoch"]) > base && base > number(&held.last_event["data"]["epoch"]));
    for counter in ["sequence", "cursor"] {
        assert!(number(&new[counter]) > number(&held.last_event[counter]), "{counter}");
    }
    let after = field(&held.last_event, "cursor");
    let request = Request::get("/events")
        .query(&[("after", &after), ("wait", "0")])
        .bearer(&locker);
    assert_eq!(send(address, request).codes(), (410, vec!["40".to_owned()]));
    let command = restored.run(&["events", "--after", &after]);
    assert_eq!((command.code, command.stdout.as_str()), (Some(1), ""));
    assert!(command.stderr.contains("are missing"), "{command:?}");
}

#[test]
fn a_moved_store_accepts_everything_as_before() {
    let operator = Operator::new();
    let (backup, held) = lose_a_server(&operator);
    let restored = Operator::new();
    let line = restored.run_ok(&["restore", &backup, "--as-it-was"]).object();
    assert_eq!(line.get("base"), None);
    let serving = Serving::start(&restored, &ISSUER);
    let refresh = field(&held.tokens, "refreshToken");
    assert_eq!(renew(serving.address, &held.portal, &refresh).status, 200);
}

#[test]
fn a_restore_replaces_nothing() {
    let operator = Operator::new();
    operator.run_ok(&["client", "add", "portal"]);
    let backup = operator.folder().join("backup").to_str().expect("UTF-8").to_owned();
    operator.run_ok(&["backup", &backup]);
    for arguments in [["restore", &backup], ["backup", &backup]] {
        let done = operator.run(&arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{done:?}");
        assert!(done.stderr.contains("not empty"), "{done:?}");
    }
    let served = operator.run(&["client", "list", "--data", &backup]);
    assert_eq!(served.code, Some(1));
    assert!(served.stderr.contains("authme restore"), "{served:?}");
}

/// Imports a thousand users for each round, and returns what a command prints about all users.
fn import_users(operator: &Operator, rounds: usize) -> String {
    let mut lines = String::new();
    for user in 0..rounds * 1000 {
        let _ = writeln!(
            lines,
            r#"{{"userId":"user-{user}","email":{{"address":"user-{user}@example.com"}},"roles":["AUTH-BASIC","USER"]}}"#
        );
    }
    let file = operator.file("users.jsonl", lines);
    operator.run_ok(&["identity", "import", file.to_str().expect("UTF-8")]);
    operator.run_ok(&["identity", "list", "--reveal"]).stdout
}

/// Locks and unlocks Ana until the flag is set. Returns the number of commands that were answered with 204.
fn lock_repeatedly(address: SocketAddr, locker: &str, is_over: &AtomicBool) -> usize {
    let mut answered = 0;
    for operation in ["lock", "unlock"].into_iter().cycle() {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        lock(address, locker, operation, "ana");
        answered += 1;
    }
    answered
}

/// The users of a store are the same after a backup under load and a restore, and its events are a beginning of all events.
#[test]
fn c21_a_backup_under_load_has_every_user() {
    let rounds = rounds(1);
    let operator = Operator::new();
    operator.register_fixtures();
    let start = Instant::now();
    let users = import_users(&operator, rounds);
    let imported = start.elapsed();
    let serving = Serving::start(&operator, &ISSUER);
    let address = serving.address;
    let locker = log_in(address, "locker");
    let backup = operator.folder().join("backup").to_str().expect("UTF-8").to_owned();
    let is_over = AtomicBool::new(false);
    let (locks, backed_up) = thread::scope(|scope| {
        let load = scope.spawn(|| lock_repeatedly(address, &locker, &is_over));
        let start = Instant::now();
        operator.run_ok(&["backup", &backup]);
        let backed_up = start.elapsed();
        is_over.store(true, Ordering::Relaxed);
        (load.join().expect("no command fails during the backup"), backed_up)
    });
    assert_eq!(serving.stop().0, Some(0));
    let restored = Operator::new();
    let start = Instant::now();
    restored.run_ok(&["restore", &backup]);
    println!(
        "c21: {} users imported in {imported:.1?}, backed up in {backed_up:.1?} beside {locks} locks, restored in {:.1?}",
        rounds * 1000,
        start.elapsed()
    );
    assert!(
        restored.run_ok(&["identity", "list", "--reveal"]).stdout == users,
        "other users"
    );
    assert_eq!(restored.run_ok(&["client", "list"]).lines().len(), 5);
    let [before, after] = [&operator, &restored].map(|operator| operator.run_ok(&["events"]).stdout);
    assert!(before.starts_with(&after), "other events");
    println!("trial c21 users: {} trials, 0 failures", rounds * 1000);
}

/// Runs a command to its end once, and returns how long it takes.
fn time_of(operator: &Operator, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    operator.run_ok(arguments);
    start.elapsed()
}

#[test]
fn c21_killed_backups_and_restores_can_be_repeated() {
    let rounds = u32::try_from(rounds(5)).expect("a small number");
    let operator = Operator::new();
    operator.register_fixtures();
    let serving = Serving::start(&operator, &ISSUER);
    let path = |name: String| operator.folder().join(name).to_str().expect("UTF-8").to_owned();
    let whole = path("whole".to_owned());
    let backup_time = time_of(&operator, &["backup", &whole]);
    let mut completed = [0, 0];
    for round in 0..rounds {
        let backup = path(format!("backup-{round}"));
        operator.run_killed(&["backup", &backup], backup_time * round / rounds);
        completed[0] += usize::from(Path::new(&backup).exists());
        if !Path::new(&backup).exists() {
            operator.run_ok(&["backup", &backup]);
        }
        let restored = Operator::new();
        let restore_time = time_of(&Operator::new(), &["restore", &backup]);
        restored.run_killed(&["restore", &backup], restore_time * round / rounds);
        let is_complete = restored.run(&["client", "list"]).code == Some(0);
        completed[1] += usize::from(is_complete);
        if !is_complete {
            restored.run_ok(&["restore", &backup]);
        }
        assert_eq!(restored.run_ok(&["client", "list"]).lines().len(), 5);
    }
    println!("c21: {completed:?} of {rounds} backups and restores ended before the kill");
    println!("trial c21 kills: {} trials, 0 failures", 2 * rounds);
    assert_eq!(serving.stop().0, Some(0));
}
