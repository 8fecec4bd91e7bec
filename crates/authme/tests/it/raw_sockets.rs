//! Requests that no HTTP library sends. The server rejects them or closes the connection, and keeps serving.

use crate::test_app::{TOO_LARGE, TestApp};
use std::fmt::Write as _;
use test_support::http::{Answer, Connection, Request, send};

/// Returns every answer to these bytes, until the server closes the connection.
fn answers_to(app: &TestApp, bytes: &[u8]) -> Vec<Answer> {
    let mut connection = Connection::open(app.address);
    connection.write(bytes);
    std::iter::from_fn(|| connection.read(false).ok()).collect()
}

/// Returns every answer to these bytes. The client closes its sending side after them.
fn answers_after_shutdown(app: &TestApp, bytes: &[u8]) -> Vec<Answer> {
    let mut connection = Connection::open(app.address);
    connection.write(bytes);
    connection.shutdown_write();
    std::iter::from_fn(|| connection.read(false).ok()).collect()
}

fn lock_with(headers: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /security/iam/v1/user-identities/lock HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn assert_serving(app: &TestApp) {
    assert_eq!(send(app.address, Request::get("/keys")).status, 200);
}

const BODY: &str = r#"{"userId":"ana"}"#;

#[test]
fn contradictory_lengths_smuggle_no_request() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let smuggled = format!(
        "POST /security/iam/v1/user-identities/lock HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {locker}\r\nContent-Length: 16\r\n\r\n{BODY}"
    );
    for (headers, body) in [
        (
            "Content-Length: 16\r\nTransfer-Encoding: chunked\r\n",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "Content-Length: 16\r\nContent-Length: 17\r\n",
            format!("{BODY} {smuggled}"),
        ),
        (
            "Content-Length: 0\r\nContent-Length: 16\r\n",
            format!("{BODY}{smuggled}"),
        ),
        ("Content-Length: 16, 0\r\n", BODY.to_owned()),
        ("Content-Length: +16\r\n", BODY.to_owned()),
        ("Content-Length: -16\r\n", BODY.to_owned()),
        ("Content-Length: 0x10\r\n", BODY.to_owned()),
        ("Content-Length: 16.0\r\n", BODY.to_owned()),
        ("Content-Length: 99999999999999999999\r\n", BODY.to_owned()),
        ("Content-Length : 16\r\n", BODY.to_owned()),
        (
            "Transfer-Encoding: chunked, identity\r\n",
            format!("10\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        ("Transfer-Encoding: xchunked\r\n", format!("10\r\n{BODY}\r\n0\r\n\r\n")),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            format!("10\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        ("Transfer-Encoding: chunked\r\n", format!("-10\r\n{BODY}\r\n0\r\n\r\n")),
        ("Transfer-Encoding: chunked\r\n", format!("0x10\r\n{BODY}\r\n0\r\n\r\n")),
        (
            "Transfer-Encoding: chunked\r\n",
            format!("ffffffffffffffffff\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        ("Transfer-Encoding: chunked\r\n", format!("10\n{BODY}\n0\n\n")),
        ("Transfer-Encoding: chunked\r\n", format!("11\r\n{BODY}\r\n0\r\n\r\n")),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n".to_owned()),
    ] {
        let answers = answers_to(&app, &lock_with(headers, &locker, &body));
        assert!(answers.len() <= 1, "{headers:?}: smuggled: {answers:?}");
        for answer in answers {
            let is_client_error = (400..500).contains(&answer.status);
            assert!(is_client_error, "{headers:?} {body:?}: {}", answer.summary());
        }
        assert_serving(&app);
    }
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

#[test]
fn chunked_bodies_are_read_and_limited() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let chunked = |chunks: &[&str]| {
        let mut body = String::new();
        for chunk in chunks {
            let _ = write!(body, "{:x}\r\n{chunk}\r\n", chunk.len());
        }
        body.push_str("0\r\n\r\n");
        let answers = answers_to(
            &app,
            &lock_with("Transfer-Encoding: chunked\r\nConnection: close\r\n", &locker, &body),
        );
        assert_eq!(answers.len(), 1);
        answers[0].summary()
    };
    assert_eq!(chunked(&[r#"{"user"#, r#"Id":"an"#, r#"a"}"#]), "204 ");
    let blank = " ".repeat(40_000);
    assert_eq!(chunked(&[BODY, &blank, &blank]), TOO_LARGE);
    let full = " ".repeat(64 * 1024 - BODY.len());
    assert_eq!(chunked(&[BODY, &full]), "204 ");
    assert_serving(&app);
}

#[test]
fn a_huge_body_is_rejected_by_its_announced_length() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    for length in ["65537", "1099511627776", "18446744073709551615"] {
        let mut connection = Connection::open(app.address);
        connection.write(&lock_with(&format!("Content-Length: {length}\r\n"), &locker, "{"));
        // The client sends no further byte.
        let answer = connection.read(false).expect("an answer");
        assert_eq!(answer.summary(), TOO_LARGE, "{length}");
    }
    assert_serving(&app);
}

#[test]
fn a_truncated_body_changes_nothing() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    for (headers, body) in [
        ("Content-Length: 17\r\n", BODY),
        ("Content-Length: 100\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "10\r\n{\"userId\":\"ana\"}\r\n"),
        ("Transfer-Encoding: chunked\r\n", "10\r\n{\"userId\":"),
    ] {
        for answer in answers_after_shutdown(&app, &lock_with(headers, &locker, body)) {
            assert!((400..500).contains(&answer.status), "{headers:?}: {}", answer.summary());
        }
    }
    assert_serving(&app);
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

#[test]
fn malformed_requests_are_rejected() {
    let app = TestApp::start();
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(200_000));
    let long_header = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    let long_name = format!("GET / HTTP/1.1\r\nHost: a\r\n{}: a\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(5000));
    for bytes in [
        &b""[..],
        b"\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1 x\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        long_path.as_bytes(),
        long_header.as_bytes(),
        long_name.as_bytes(),
        many.as_bytes(),
    ] {
        let beginning: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
        for answer in answers_after_shutdown(&app, bytes) {
            assert!(
                (400..500).contains(&answer.status),
                "{beginning:?}: {}",
                answer.summary()
            );
        }
        assert_serving(&app);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let app = TestApp::start();
    let bytes = concat!(
        "GET /security/iam/v1/keys HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /security/iam/v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
    let statuses: Vec<u16> = answers_to(&app, bytes.as_bytes())
        .iter()
        .map(|answer| answer.status)
        .collect();
    assert_eq!(statuses, [200, 404, 401]);
}
