//! `authme lock` and `authme unlock`.

use serde_json::{Value, json};

use crate::fixtures::secret_of;
use crate::operator::{CommandOutput, Operator, Serving, eventually};
use crate::test_app::field;
use test_support::http::{Request, send};

fn outcomes(done: &CommandOutput) -> Vec<(String, String)> {
    let lines = done.lines();
    lines
        .iter()
        .map(|line| (field(line, "userId"), field(line, "outcome")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(user, outcome): &(&str, &str)| ((*user).to_owned(), (*outcome).to_owned());
    expected.iter().map(pair).collect()
}

#[test]
fn users_are_locked_once_and_failures_are_reported() {
    let operator = Operator::new();
    operator.register_fixtures();
    let first = operator.run(&["lock", "ana", "nobody", "no id", "bia"]);
    assert_eq!(first.code, Some(1), "{first:?}");
    let expected = [
        ("ana", "locked"),
        ("nobody", "failed"),
        ("no id", "failed"),
        ("bia", "locked"),
    ];
    assert_eq!(outcomes(&first), pairs(&expected));
    assert_eq!(first.lines()[1]["message"], json!("the user is not known"));
    assert!(first.stderr.contains("4 users, 2 failed"), "{first:?}");
    let second = operator.run_ok(&["lock", "ana", "bia"]);
    assert_eq!(
        outcomes(&second),
        pairs(&[("ana", "alreadyLocked"), ("bia", "alreadyLocked")])
    );
    let unlocked = operator.run_ok(&["unlock", "bia", "root"]);
    assert_eq!(
        outcomes(&unlocked),
        pairs(&[("bia", "unlocked"), ("root", "alreadyUnlocked")])
    );
    let audited = operator.run_ok(&["audit"]).lines();
    let of_locks = audited
        .iter()
        .filter(|record| record["action"] == "lock" || record["action"] == "unlock");
    let of_locks: Vec<_> = of_locks
        .map(|record| (&record["action"], &record["object"]["user"]))
        .collect();
    let record = |action: &'static str, user: &'static str| (json!(action), json!(user));
    let expected = [record("lock", "ana"), record("lock", "bia"), record("unlock", "bia")];
    assert_eq!(
        of_locks,
        expected.iter().map(|(action, user)| (action, user)).collect::<Vec<_>>()
    );
}

#[test]
fn a_file_names_the_users() {
    let operator = Operator::new();
    operator.register_fixtures();
    let file = operator.file("users", "ana\n\n  bia \r\n");
    let path = file.to_str().expect("UTF-8");
    let done = operator.run_ok(&["lock", "--file", path, "root"]);
    assert_eq!(
        outcomes(&done),
        pairs(&[("root", "locked"), ("ana", "locked"), ("bia", "locked")])
    );
    let done = operator.run_with(&["unlock", "--file", "-"], b"ana\nbia");
    assert_eq!(
        (done.code, outcomes(&done)),
        (Some(0), pairs(&[("ana", "unlocked"), ("bia", "unlocked")]))
    );
    assert_eq!(operator.run(&["lock", "--file", "/nowhere"]).code, Some(1));
    assert_eq!(operator.run(&["lock"]).code, Some(2));
    assert_eq!(operator.run(&["lock", "ana", "--rate", "0"]).code, Some(2));
    assert_eq!(
        operator.run(&["lock", "ana", "--reason", &"x".repeat(201)]).code,
        Some(2)
    );
}

#[test]
fn a_running_server_applies_and_publishes_locks_of_the_command() {
    let operator = Operator::new();
    operator.register_fixtures();
    let serving = Serving::start(&operator, &[]);
    let login = Request::post("/client-identities/login").basic("locker", &secret_of("locker"));
    let locker = field(&send(serving.address, login).json(), "accessToken");
    let lock = || {
        send(
            serving.address,
            Request::get("/user-identities/ana/lock").bearer(&locker),
        )
        .json()
    };
    assert_eq!(lock()["locked"], json!(false));
    operator.run_ok(&["lock", "ana", "--reason", "case 7"]);
    assert_eq!((&lock()["locked"], &lock()["reason"]), (&json!(true), &json!("case 7")));
    let events = || {
        let request = Request::get("/events").query(&[("wait", "0")]).bearer(&locker);
        send(serving.address, request).text()
    };
    eventually("the event", || !events().is_empty());
    let event: Value = serde_json::from_str(events().lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        (&event["type"], &event["subject"]),
        (&json!("credential.locked"), &json!("ana"))
    );
    assert!(event["data"]["by"]["operator"].is_string(), "{event}");
}
