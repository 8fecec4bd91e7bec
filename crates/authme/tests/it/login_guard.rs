//! The limits of failed logins (docs/operations.md).

use crate::fixtures::{secret_of, to_strings};
use crate::test_app::{START, Setup, TestApp, at};
use test_support::http::Request;

const WRONG: &str = r#"401 [{"code":"02","message":"the client name or secret is not right"}]"#;
const TOO_MANY: &str = r#"429 [{"code":"32","message":"too many failed logins of this client or from this address"}]"#;

const HERE: &str = "127.0.0.2";
const ELSEWHERE: &str = "127.0.0.3";

/// Starts an app that allows this number of failed logins per minute.
fn start(per_client: u32, per_peer: u32, proxies: &[&str]) -> TestApp {
    TestApp::start_with(Setup {
        trusted_proxies: to_strings(proxies),
        settings: vec![
            // All workers share the guard.
            ("http.workers", "3".to_owned()),
            ("login.failures_per_client", per_client.to_string()),
            ("login.failures_per_peer", per_peer.to_string()),
        ],
        ..Setup::default()
    })
}

fn login(client: &str, secret: &str) -> Request {
    login_without_credentials().basic(client, secret)
}

fn login_without_credentials() -> Request {
    Request::post("/client-identities/login")
}

#[test]
fn only_the_failing_client_and_address_are_limited() {
    let app = start(3, 100, &[]);
    for _ in 0..3 {
        assert_eq!(app.send_from(HERE, login("portal", "wrong")).summary(), WRONG);
    }
    for secret in ["wrong", &secret_of("portal")] {
        let response = app.send_from(HERE, login("portal", secret));
        assert_eq!(response.summary(), TOO_MANY);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let wait: u64 = response
            .header("retry-after")
            .and_then(|wait| wait.parse().ok())
            .expect("seconds");
        assert!((1..=20).contains(&wait), "three a minute: {wait}");
    }
    for (from, client) in [(HERE, "shop"), (ELSEWHERE, "portal"), (ELSEWHERE, "shop")] {
        assert_eq!(
            app.send_from(from, login(client, &secret_of(client))).status,
            200,
            "{client} at {from}"
        );
    }
}

#[test]
fn an_address_with_many_failures_is_refused() {
    let app = start(100, 4, &[]);
    let encoded = "cG9ydGFs";
    for request in [
        login_without_credentials(),
        login_without_credentials().header("Authorization", &format!("Basic {encoded}")),
        login("nobody", "wrong"),
        login(&"x".repeat(4_000), "wrong"),
    ] {
        assert_eq!(app.send_from(HERE, request).summary(), WRONG);
    }
    assert_eq!(app.send_from(HERE, login_without_credentials()).summary(), TOO_MANY);
    let right = secret_of("portal");
    assert_eq!(app.send_from(HERE, login("portal", &right)).summary(), TOO_MANY);
    assert_eq!(app.send_from(ELSEWHERE, login("portal", &right)).status, 200);
}

#[test]
fn responses_do_not_reveal_which_clients_exist() {
    let app = start(3, 100, &[]);
    let mut by_client = Vec::new();
    for client in ["portal", "disabled", "nobody", "not an id"] {
        let mut responses = Vec::new();
        for _ in 0..5 {
            let mut response = app.send_from(HERE, login(client, "wrong"));
            // On a slow machine the wait may already be a second shorter.
            for (name, value) in &mut response.headers {
                if ["date", "retry-after", "x-request-id"].contains(&name.as_str()) {
                    "…".clone_into(value);
                }
            }
            response.headers.sort();
            responses.push((response.summary(), response.headers));
        }
        by_client.push(responses);
    }
    assert_eq!(by_client[0].iter().filter(|(text, _)| text == TOO_MANY).count(), 2);
    for others in &by_client[1..] {
        assert_eq!(*others, by_client[0]);
    }
}

#[test]
fn only_a_wrong_secret_counts_as_a_failure() {
    let app = start(1, 1, &[]);
    for _ in 0..3 {
        assert_eq!(app.send_from(HERE, login("portal", &secret_of("portal"))).status, 200);
        let unreadable = login("portal", "wrong")
            .header("Content-Type", "application/json")
            .body("{");
        assert_eq!(app.send_from(HERE, unreadable).codes(), (400, vec!["01".to_owned()]));
    }
    assert_eq!(app.send_from(HERE, login("portal", "wrong")).summary(), WRONG);
    assert_eq!(app.send_from(HERE, login("portal", "wrong")).summary(), TOO_MANY);
}

#[test]
fn a_server_error_does_not_count_as_a_failure() {
    let app = start(1, 1, &[]);
    // No key signs before the start.
    app.clock.set(at(START - 1));
    for _ in 0..3 {
        let response = app.send_from(HERE, login("portal", &secret_of("portal")));
        assert_eq!(response.codes(), (500, vec!["99".to_owned()]));
    }
}

#[test]
fn only_trusted_proxies_set_the_address() {
    let app = start(100, 2, &["127.0.0.1"]);
    let from = |peer: &str, written: &str| {
        let request = login("portal", "wrong").header("X-Forwarded-For", written);
        app.send_from(peer, request.header("Forwarded", &format!("for={written}")))
    };
    let proxy = "127.0.0.1";
    for (peer, written, expected) in [
        (HERE, "198.51.100.1", WRONG),
        (HERE, "198.51.100.2", WRONG),
        (HERE, "198.51.100.3", TOO_MANY),
        (proxy, "198.51.100.1", WRONG),
        (proxy, "198.51.100.9, 198.51.100.1", WRONG),
        (proxy, "198.51.100.8, 198.51.100.1", TOO_MANY),
        (proxy, "198.51.100.2", WRONG),
        (proxy, HERE, TOO_MANY),
    ] {
        assert_eq!(from(peer, written).summary(), expected, "{written} by {peer}");
    }
}

#[test]
fn all_workers_share_the_guard() {
    let app = start(4, 100, &[]);
    let statuses = [(); 6].map(|()| app.send(login("portal", "wrong")).status);
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
}
