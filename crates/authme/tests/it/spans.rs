//! The spans of requests: docs/operations.md "Logs and spans".

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use serde_json::{Value, json};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::fixtures::ANA_MAIL;
use crate::test_app::{TestApp, field};
use test_support::http::Request;
use test_support::jwt::claims;

static CAPTURES: AtomicUsize = AtomicUsize::new(0);
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures every span and event of this process at the level `trace` until it is dropped. The server's threads need a
/// global subscriber, so spans of tests that run at the same time are captured too.
pub(crate) struct Capture(());

impl Capture {
    pub(crate) fn start() -> Self {
        static INSTALLED: Once = Once::new();
        CAPTURES.fetch_add(1, Ordering::SeqCst);
        INSTALLED.call_once(|| {
            let layer = tracing_subscriber::fmt::layer()
                .json()
                .without_time()
                .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
                .with_writer(|| Log)
                .with_filter(dynamic_filter_fn(|_, _| CAPTURES.load(Ordering::SeqCst) > 0));
            tracing_subscriber::registry().with(layer).init();
        });
        Self(())
    }

    /// Returns the log so far, in which each span has a line when it begins and one when it ends.
    #[expect(clippy::unused_self, reason = "the log is filled while a capture exists")]
    pub(crate) fn log(&self) -> String {
        let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(log.clone()).expect("the log is UTF-8")
    }

    /// Returns the spans of a request that have ended, each with the spans around it, from the request on.
    fn ended_spans(&self, request_id: &str) -> Vec<Vec<Value>> {
        let log = self.log();
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines
            .filter(|line| line["fields"]["message"] == "close")
            .map(|line| {
                // `spans` does not contain the span that ends.
                let mut spans = line["spans"].as_array().cloned().unwrap_or_default();
                spans.push(line["span"].clone());
                spans
            })
            .filter(|spans| spans.first().is_some_and(|request| request["request_id"] == request_id))
            .collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        CAPTURES.fetch_sub(1, Ordering::SeqCst);
    }
}

fn names(spans: &[Value]) -> Vec<&str> {
    spans
        .iter()
        .map(|span| span["name"].as_str().unwrap_or_default())
        .collect()
}

/// Asserts that the request had the spans `request` and `use_case` with these fields, and that the use case had one span of
/// a write, to `store`.
#[track_caller]
fn assert_spans(ended: &[Vec<Value>], request: &Value, use_case: &Value, store: &str) {
    let name = use_case["name"].as_str().expect("a name");
    let of_use_case = ended.iter().find(|spans| names(spans) == ["request", name]);
    let of_use_case = of_use_case.unwrap_or_else(|| panic!("no span {name} in {ended:?}"));
    assert_eq!(of_use_case, &[request.clone(), use_case.clone()]);
    let in_store = |spans: &Vec<Value>| names(spans).starts_with(&["request", name, "store"]);
    let writes = ended
        .iter()
        .filter(|spans| in_store(spans))
        .filter_map(|spans| spans.last());
    let writes: Vec<_> = writes
        .filter(|span| span["operation"] == "write")
        .map(|span| &span["store"])
        .collect();
    assert_eq!(writes, [store]);
}

#[test]
fn a_lock_has_the_spans_of_its_request_and_use_case() {
    let app = TestApp::start();
    let capture = Capture::start();
    let request = Request::post("/user-identities/lock").header("x-request-id", "span-of-a-lock");
    let locker = app.client_token("locker");
    let answer = app.send(request.bearer(&locker).json(&json!({"userId": "ana"})));
    assert_eq!(answer.status, 204, "{}", answer.summary());
    assert_spans(
        &capture.ended_spans("span-of-a-lock"),
        &json!({
            "name": "request", "request_id": "span-of-a-lock", "method": "POST",
            "route": "/security/iam/v1/user-identities/lock",
        }),
        &json!({"name": "lock_credential", "client": "locker", "user": "ana"}),
        "versioned_store",
    );
}

#[test]
fn a_renewal_has_the_spans_of_its_request_and_use_case() {
    let app = TestApp::start();
    let session = app.session(ANA_MAIL);
    let sid = claims(&field(&session, "accessToken"))["sid"].clone();
    let capture = Capture::start();
    let request = Request::post("/user-identities/renew-token").header("x-request-id", "span-of-a-renewal");
    let query = [("token", &*field(&session, "refreshToken")), ("remember-me", "true")];
    let portal = app.client_token("portal");
    let answer = app.send(request.query(&query).bearer(&portal));
    assert_eq!(answer.status, 200, "{}", answer.summary());
    assert_spans(
        &capture.ended_spans("span-of-a-renewal"),
        &json!({
            "name": "request", "request_id": "span-of-a-renewal", "method": "POST",
            "route": "/security/iam/v1/user-identities/renew-token",
        }),
        &json!({"name": "renew_token", "client": "portal", "user": "ana", "session": sid}),
        "refresh_families",
    );
}
