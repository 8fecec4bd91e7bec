//! The embedded event log over HTTP: docs/events.md.

use serde_json::{Value, json};

use crate::fixtures::{ROOT_MAIL, to_strings};
use crate::test_app::{TestApp, field};
use test_support::http::{Answer, Connection, Request};

fn read(app: &TestApp, query: &[(&str, &str)]) -> Answer {
    let mut all = vec![("wait", "0")];
    all.extend_from_slice(query);
    app.send(Request::get("/events").query(&all).bearer(&app.client_token("locker")))
}

#[test]
fn events_are_cloud_events_one_per_line() {
    let app = TestApp::start();
    assert_eq!(read(&app, &[]).summary(), "200 ");
    app.lock_or_unlock("lock", "ana");
    app.lock_or_unlock("lock", "bia");
    let events = app.events();
    let mut first = events[0].clone();
    let id = first["id"].as_str().expect("an id").to_owned();
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'));
    let cursor = first["cursor"].as_str().expect("a cursor").to_owned();
    first["id"] = json!("…");
    first["cursor"] = json!("…");
    let request_id = first["correlationid"].take();
    let answers = app.answers();
    let named = |answer: &&Answer| json!(answer.header("x-request-id")) == request_id;
    let answer = answers.iter().find(named).expect("a request of this id");
    assert_eq!(answer.status, 204);
    let user = first["subject"].clone();
    assert_eq!(
        first,
        json!({"specversion": "1.0", "id": "…", "source": "/authme/credential-lock", "type": "credential.locked",
            "subject": user, "time": "2026-01-01T00:00:00.000Z", "datacontenttype": "application/json",
            "partitionkey": user, "sequence": "00000000000000000001", "cursor": "…", "correlationid": null,
            "data": {"userId": user, "epoch": 1, "by": {"client": "locker"}}})
    );
    let answer = read(&app, &[("after", &cursor)]);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let rest: Vec<Value> = answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rest, events[1..]);
    assert_eq!(read(&app, &[("after", "")]).text().lines().count(), 2);
}

#[test]
fn an_invalid_cursor_returns_400() {
    let app = TestApp::start();
    for bad in ["x", "-1", "1.5", "99999999999999999999999", "1 or 1=1"] {
        assert_eq!(
            read(&app, &[("after", bad)]).summary(),
            r#"400 [{"code":"01","message":"after must be a whole number","field":"after"}]"#
        );
    }
    assert_eq!(read(&app, &[("after", "18446744073709551615")]).summary(), "200 ");
    assert_eq!(read(&app, &[("wait", "1")]).codes(), (400, to_strings(&["01"])));
}

#[test]
fn a_consumer_that_missed_removed_events_gets_410() {
    let app = TestApp::start();
    for operation in ["lock", "unlock", "lock"] {
        app.lock_or_unlock(operation, "ana");
    }
    let cursors: Vec<String> = app.events().iter().map(|event| field(event, "cursor")).collect();
    app.remove_events(2);
    let gone = (410, to_strings(&["40"]));
    for missed in ["0", &cursors[0]] {
        assert_eq!(read(&app, &[("after", missed)]).codes(), gone, "{missed}");
        let stream = Request::get("/events").header("Accept", "text/event-stream");
        let stream = stream
            .header("Last-Event-ID", missed)
            .bearer(&app.client_token("locker"));
        assert_eq!(app.send(stream).codes(), gone, "{missed}");
    }
    for (query, count) in [
        (vec![], 1),
        (vec![("after", cursors[1].as_str())], 1),
        (vec![("after", &*cursors[2])], 0),
    ] {
        let answer = read(&app, &query);
        assert_eq!(
            (answer.status, answer.text().lines().count()),
            (200, count),
            "{query:?}"
        );
    }
}

#[test]
fn a_stream_sends_stored_and_new_events() {
    let app = TestApp::start();
    app.lock_or_unlock("lock", "ana");
    let published = app.events();
    let locker = app.client_token("locker");
    let mut stream = Connection::open(app.address);
    let request = format!(
        "GET /security/iam/v1/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer {locker}\r\n\r\n"
    );
    stream.write(request.as_bytes());
    let begin = stream.read_until("data: ");
    assert!(begin.contains("content-type: text/event-stream"), "{begin}");
    assert!(
        begin.contains(&format!(
            "id: {}\nevent: credential.locked\ndata: ",
            published[0]["cursor"].as_str().expect("a cursor")
        )),
        "{begin}"
    );
    app.lock_or_unlock("unlock", "ana");
    app.events();
    stream.read_until("event: credential.unlocked\ndata: ");
}

#[test]
fn a_stream_ends_when_its_caller_is_locked() {
    let app = TestApp::start();
    let root = field(&app.session(ROOT_MAIL), "accessToken");
    app.lock_or_unlock("lock", "ana");
    app.events();
    let mut stream = Connection::open(app.address);
    let request = format!(
        "GET /security/iam/v1/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer {root}\r\n\r\n"
    );
    stream.write(request.as_bytes());
    stream.read_until("event: credential.locked\ndata: ");
    app.lock_or_unlock("lock", "root");
    app.lock_or_unlock("unlock", "ana");
    app.clock.advance_seconds(2);
    app.events();
    let rest = stream.read_until("\r\n0\r\n");
    assert!(!rest.contains("credential.unlocked"), "{rest}");
    let again = Request::get("/events").query(&[("wait", "0")]).bearer(&root);
    assert_eq!(app.send(again).codes(), (401, to_strings(&["02"])));
}

#[test]
fn a_long_poll_ends_with_an_event() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let mut waiting = Connection::open(app.address);
    let request =
        format!("GET /security/iam/v1/events?wait=60 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {locker}\r\n\r\n");
    waiting.write(request.as_bytes());
    app.lock_or_unlock("lock", "ana");
    app.events();
    // The caller may have been waiting already or not. The read timeout of the connection is far below a minute.
    let answer = waiting.read(false).expect("an answer");
    assert!(answer.text().contains("credential.locked"), "{}", answer.summary());
}
