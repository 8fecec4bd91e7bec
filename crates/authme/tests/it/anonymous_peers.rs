//! Limits for anonymous peers: peers that know only the address of the port.

use serde_json::json;
use service_assembly::CONTEXTS;

use crate::fixtures::ANA_MAIL;
use crate::operator::{Operator, Serving, eventually, free_address};
use crate::test_app::TestApp;
use test_support::http::{Answer, Connection, Request, send};

const SCRIPT: &str = "/docs/scalar.js";

/// Returns the value of a series in the text format of Prometheus.
fn metric_value(metrics: &str, series: &str) -> u64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {series} in {metrics}"))
}

#[test]
fn only_stalled_readers_are_disconnected() {
    let app = TestApp::with_settings(&[("http.write_timeout", "1s")]);
    let script = send(app.address, Request::at_root("GET", SCRIPT));
    assert_eq!(script.status, 200);
    assert!(script.body.len() > 1_000_000);
    let mut stalled = Connection::open(app.address);
    // More than the socket buffers of the kernel hold.
    for _ in 0..8 {
        stalled.write(format!("GET {SCRIPT} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    eventually("the connection is dropped", || {
        metric_value(
            &app.metrics(),
            "authme_http_connection_errors_total{error=\"write-timeout\"}",
        ) == 1
    });
    assert!(stalled.read_rest() < 8 * script.body.len());
    assert_eq!(send(app.address, Request::at_root("GET", SCRIPT)).body, script.body);
}

#[test]
fn connections_per_peer_are_limited() {
    let app = TestApp::with_settings(&[("http.connections_per_peer", "3")]);
    let keys = Request::get("/keys");
    let mut held: Vec<_> = (0..3).map(|_| Connection::open(app.address)).collect();
    for connection in &mut held {
        assert_eq!(connection.send(&keys).status, 200);
    }
    let rejection = Connection::open(app.address).read(false);
    assert!(rejection.is_err(), "{rejection:?}");
    let series = "authme_http_connections_refused_total{limit=\"peer\"}";
    assert_eq!(metric_value(&app.metrics(), series), 1);
    drop(held);
    eventually("a connection is accepted again", || {
        Connection::open(app.address)
            .attempt(&keys)
            .is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn connections_of_the_process_are_limited() {
    let app = TestApp::with_settings(&[("http.connections", "2")]);
    let mut held: Vec<_> = (0..2).map(|_| Connection::open(app.address)).collect();
    for connection in &mut held {
        assert_eq!(connection.send(&Request::get("/keys")).status, 200);
    }
    assert!(Connection::open(app.address).read(false).is_err());
    let series = "authme_http_connections_refused_total{limit=\"process\"}";
    assert_eq!(metric_value(&app.metrics(), series), 1);
}

/// Sends a request line with any content, and returns the status of the answer, if there is one.
fn send_raw(app: &TestApp, line: &str) -> Option<u16> {
    let mut connection = Connection::open(app.address);
    connection.write(format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
    connection.shutdown_write();
    connection.read(false).ok().map(|answer| answer.status)
}

#[test]
fn unknown_request_lines_create_no_series() {
    let app = TestApp::start();
    let lines = |number: usize| {
        [
            format!("BREW{number} /security/iam/v1/keys HTTP/1.1"),
            format!("{}/nowhere HTTP/1.1", format_args!("POUR{number} ")),
            format!("GET /path-{number} HTTP/1.1"),
            format!("GET /security/iam/v1/user-identities/{number}/lock HTTP/1.1"),
            format!("GET /security/iam/v1/user-identities/{number}/%6Cock HTTP/1.0"),
            format!("GET /security/iam/v1/keys HTTP/{number}.{number}"),
        ]
    };
    let statuses = lines(1_000_000).map(|line| send_raw(&app, &line));
    assert_eq!(statuses, [405, 404, 404, 401, 400, 400].map(Some));
    let series = app.metrics().lines().count();
    for number in 0..1_000 {
        let line = &lines(number)[number % 6];
        assert!(send_raw(&app, line).is_some(), "{line}");
    }
    let metrics = app.metrics();
    assert_eq!(metrics.lines().count(), series, "{metrics}");
    assert!(!metrics.contains("BREW") && !metrics.contains("path-"), "{metrics}");
}

#[test]
fn a_path_has_one_spelling() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let lock = |path: &str| {
        let request = Request::post(path).bearer(&locker).json(&json!({"userId": "ana"}));
        app.send(request)
    };
    for path in [
        "/user-identities/%6Cock",
        "/user-identities/l%6fck",
        "/%75ser-identities/lock",
    ] {
        let rejection = lock(path);
        assert_eq!(rejection.codes(), (400, vec!["01".to_owned()]), "{path}");
        assert!(rejection.header("x-request-id").is_some());
    }
    let state = Request::get("/user-identities/ana/lock").bearer(&locker);
    assert_eq!(app.send(state).json()["locked"], json!(false));
    assert_eq!(lock("/user-identities/lock").status, 204);
}

#[test]
fn the_reference_page_can_be_disabled() {
    let app = TestApp::with_settings(&[("http.docs", "false")]);
    for path in ["/docs", SCRIPT] {
        let answer = send(app.address, Request::at_root("GET", path));
        assert_eq!(answer.codes(), (404, vec!["01".to_owned()]), "{path}");
    }
    assert_eq!(send(app.address, Request::at_root("GET", "/openapi.json")).status, 200);
}

#[test]
fn query_tokens_can_be_disabled() {
    let app = TestApp::with_settings(&[("tokens.query_tokens", "false")]);
    let (portal, token) = (app.client_token("portal"), app.validation_token(ANA_MAIL, "portal"));
    let rejection = app.renew(&portal, &token, "true");
    assert_eq!(rejection.codes(), (400, vec!["01".to_owned()]));
    assert_eq!(rejection.json()[0]["field"], "token");
    let body = json!({"token": token, "remember-me": true});
    let request = Request::post("/user-identities/renew-token").bearer(&portal);
    assert_eq!(app.send(request.json(&body)).status, 200);
}

/// Returns whether the answer is 429 with `Retry-After`.
fn is_rate_limited(answer: &Answer) -> bool {
    let wait = answer
        .header("retry-after")
        .and_then(|seconds| seconds.parse::<u64>().ok());
    answer.codes() == (429, vec!["32".to_owned()]) && wait.is_some_and(|seconds| seconds >= 1)
}

#[test]
fn every_bearer_route_has_a_client_limit() {
    let app = TestApp::with_settings(&[("limits.requests_per_client", "1")]);
    let locker = app.client_token("locker");
    let contexts: Vec<_> = CONTEXTS.iter().map(|context| context.description()).collect();
    let operations = contexts.iter().flat_map(adapter_http::Description::operations);
    let mut limited = 0;
    for (template, method) in operations {
        if ["/login", "/keys", "/jwks.json"]
            .iter()
            .any(|open| template.ends_with(open))
        {
            continue;
        }
        let path = template.replace(['{', '}'], "");
        let method = json!(method).as_str().expect("a method is a text").to_uppercase();
        let request = || Request::at_root(&method, &path).query(&[("wait", "0")]).bearer(&locker);
        // The limit refills by one request a second.
        assert!(
            (0..20).any(|_| is_rate_limited(&app.send(request()))),
            "{method} {template}"
        );
        limited += 1;
    }
    assert!(limited > 10, "{limited}");
    let series = "authme_http_requests_refused_total{limit=\"client\"}";
    assert!(metric_value(&app.metrics(), series) >= limited);
}

#[test]
fn a_users_limit_spans_all_clients() {
    let app = TestApp::with_settings(&[("limits.requests_per_user", "1")]);
    let tokens = ["portal", "shop"].map(|client| app.user_token(ANA_MAIL, client));
    let request = |n: usize| Request::get("/user-identities/me/authentication-factors").bearer(&tokens[n % 2]);
    assert!((0..20).any(|n| is_rate_limited(&app.send(request(n)))));
    let series = "authme_http_requests_refused_total{limit=\"user\"}";
    assert!(metric_value(&app.metrics(), series) >= 1);
}

#[test]
fn session_starts_are_limited_per_minute() {
    let app = TestApp::with_settings(&[("tokens.new_sessions_per_minute", "3")]);
    for _ in 0..3 {
        app.session(ANA_MAIL);
    }
    app.clock.advance_seconds(30);
    let (portal, token) = (app.client_token("portal"), app.validation_token(ANA_MAIL, "portal"));
    let rejection = app.renew(&portal, &token, "true");
    assert!(is_rate_limited(&rejection), "{}", rejection.summary());
    assert_eq!(rejection.header("retry-after"), Some("30"));
    // Neither a token without a session nor the token of another user counts.
    app.user_token(ANA_MAIL, "portal");
    app.session(crate::fixtures::BIA_MAIL);
    app.clock.advance_seconds(30);
    // The rejected request did not use up the token.
    assert_eq!(app.renew(&portal, &token, "true").status, 200);
    let series = "authme_http_requests_refused_total{limit=\"sessions\"}";
    assert_eq!(metric_value(&app.metrics(), series), 1);
}

#[test]
fn non_http_input_is_counted_and_not_logged() {
    let operator = Operator::new();
    let management = free_address();
    let serving = Serving::start_with_management(&operator, &[], management);
    for _ in 0..20 {
        let mut connection = Connection::open(serving.address);
        connection.write(b"this is not HTTP\r\n\r\n");
        assert_eq!(connection.read(false).map(|answer| answer.status).ok(), Some(400));
        connection.read_rest();
    }
    let metrics = send(management, Request::at_root("GET", "/metrics")).text();
    let series = "authme_http_connection_errors_total{error=\"malformed\"}";
    assert_eq!(metric_value(&metrics, series), 20);
    let (code, log) = serving.stop();
    // The new data folder, the start, "stopping" and "stopped".
    assert_eq!((code, log.lines().count()), (Some(0), 4), "{log}");
}

#[test]
fn readiness_fails_without_file_descriptors() {
    let operator = Operator::new();
    let management = free_address();
    let serving = Serving::start_with_open_files(&operator, 320, management);
    let mut probe = Connection::open(management);
    let ready = Request::at_root("GET", "/health/ready");
    assert_eq!(probe.send(&ready).json()["checks"]["descriptors"], "up");
    // Connections to the API port alone cannot use up the file descriptors.
    let connections: Vec<_> = (0..200).map(|_| Connection::open(serving.address)).collect();
    assert_eq!(probe.send(&ready).status, 200);
    drop(connections);
    let mut held = Vec::new();
    while probe.send(&ready).status == 200 {
        assert!(held.len() < 400, "the server has more descriptors than its limit");
        held.push(Connection::open(management));
    }
    assert_eq!(probe.send(&ready).json()["checks"]["descriptors"], "down");
    drop(held);
    assert!((0..1_000).any(|_| probe.send(&ready).status == 200));
}
