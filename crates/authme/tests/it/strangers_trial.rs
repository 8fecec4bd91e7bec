//! An anonymous peer tries to fill the memory (docs/threat-model.md), with connections that read nothing, and methods of
//! any name and length.

use std::net::SocketAddr;

use crate::operator::{Operator, Serving, free_address};
use crate::stopping::rounds;
use test_support::http::{Connection, Request, send};

/// The number of connections that request the largest answer and read none of it.
const CONNECTIONS: usize = 300;

const LARGEST: &str = "/docs/scalar.js";

/// The number of requests with a method of a new name, unless `AUTHME_TRIAL_ROUNDS` overrides it.
const METHODS: usize = 300;

/// The length of a long method in bytes. It is below the limit of a request head.
const LONG_METHOD: usize = 90_000;

/// The maximum memory in MB. A debug build needs about 30 MB without requests.
const MAX_MEMORY: u64 = 100;

/// Sends a request with this method, and returns whether it is answered. Even numbers request an existing route.
fn send_with_method(address: SocketAddr, name: &str, number: usize) -> bool {
    let path = ["/security/iam/v1/keys", "/nowhere"][number % 2];
    let mut connection = Connection::open(address);
    connection.write(format!("{name} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
    connection.read(false).is_ok()
}

#[test]
fn anonymous_peers_cannot_fill_memory_or_metrics() {
    let operator = Operator::new();
    let management = free_address();
    // Without connection limits, which would end the attack immediately.
    let unlimited = [
        ("AUTHME__HTTP__CONNECTIONS_PER_PEER", "0"),
        ("AUTHME__HTTP__CONNECTIONS", "0"),
    ];
    let serving = Serving::start_with_management(&operator, &unlimited, management);
    let metrics = || send(management, Request::at_root("GET", "/metrics")).text();
    for number in 0..2 {
        assert!(send_with_method(serving.address, "BREW", number));
    }
    assert_eq!(send(serving.address, Request::at_root("GET", LARGEST)).status, 200);
    let lines = metrics().lines().count();
    let idle = serving.resident_kb();

    let stalled: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut connection = Connection::open(serving.address);
            connection.write(format!("GET {LARGEST} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            connection
        })
        .collect();
    let methods = rounds(METHODS);
    let mut rejected = 0;
    let mut peak = idle;
    for number in 0..methods {
        let mut name = format!("BREW{number}");
        if number % 10 == 0 {
            name.push_str(&"X".repeat(LONG_METHOD));
        }
        rejected += usize::from(!send_with_method(serving.address, &name, number));
        if number % 100 == 0 {
            peak = peak.max(serving.resident_kb());
        }
    }
    peak = peak.max(serving.resident_kb());
    let after = metrics();
    drop(stalled);
    println!("strangers: {idle} kB idle, {peak} kB peak, {lines} lines of metrics");
    println!("trial strangers: {} trials, {rejected} failures", CONNECTIONS + methods);
    assert_eq!(rejected, 0);
    assert_eq!(after.lines().count(), lines, "{after}");
    assert!(peak < MAX_MEMORY * 1024, "{peak} kB");
    let (code, log) = serving.stop();
    assert_eq!(code, Some(0));
    // Each answered request is one line of the log. Input that is not HTTP is counted and not logged.
    let mut others = log.lines().filter(|line| !line.contains("\"a request was answered\""));
    for expected in [
        "created the data folder",
        "AuthMe serves ",
        "\"stopping\"",
        "\"stopped\"",
    ] {
        let line = others.next();
        assert!(line.is_some_and(|line| line.contains(expected)), "{expected}: {line:?}");
    }
    assert_eq!(others.next(), None);
    let longest = log.lines().map(str::len).max();
    assert!(longest < Some(1_000), "{longest:?}");
}
