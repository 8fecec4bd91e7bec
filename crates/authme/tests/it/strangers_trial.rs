//! A stranger who tries to fill the memory (docs/threat-model.md): connections that read nothing, methods of any name
//! and length.

use std::net::SocketAddr;

use crate::operator::{Operator, Serving, free_address};
use crate::stopping::rounds;
use crate::wire::{Connection, Request, send};

/// Connections that request the largest answer and read none of it.
const CONNECTIONS: usize = 300;

const LARGEST: &str = "/docs/scalar.js";

/// Methods of random names, unless an environment variable overrides it.
const METHODS: usize = 300;

/// Bytes of a long method: below the limit of a request head.
const LONG: usize = 90_000;

/// In MB. A debug build needs about 30 MB without requests.
const MOST_MEMORY: u64 = 100;

/// Half of the requests are for existing routes.
fn send_with_method(address: SocketAddr, name: &str, number: usize) -> bool {
    let path = ["/security/iam/v1/keys", "/nowhere"][number % 2];
    let mut connection = Connection::open(address);
    connection.write(format!("{name} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
    connection.read(false).is_ok()
}

#[test]
fn strangers_cannot_fill_memory_or_metrics() {
    let operator = Operator::new();
    let management = free_address();
    // Without connection limits, which would end the attack at once.
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
    let mut most = idle;
    for number in 0..methods {
        let mut name = format!("BREW{number}");
        if number % 10 == 0 {
            name.push_str(&"X".repeat(LONG));
        }
        rejected += usize::from(!send_with_method(serving.address, &name, number));
        if number % 100 == 0 {
            most = most.max(serving.resident_kb());
        }
    }
    most = most.max(serving.resident_kb());
    let after = metrics();
    drop(stalled);
    println!("strangers: {idle} kB idle, {most} kB at most, {lines} lines of metrics");
    println!("trial strangers: {} trials, {rejected} failures", CONNECTIONS + methods);
    assert_eq!(rejected, 0);
    assert_eq!(after.lines().count(), lines, "{after}");
    assert!(most < MOST_MEMORY * 1024, "{most} kB");
    let (code, log) = serving.stop();
    assert_eq!(code, Some(0));
    // Each answered request is one line of the log. Input that is not HTTP is counted and not logged.
    let other = log.lines().find(|line| !line.contains("\"a request was answered\""));
    assert!(other.is_some_and(|line| line.contains("AuthMe serves ")), "{other:?}");
    let others = log
        .lines()
        .filter(|line| !line.contains("\"a request was answered\""))
        .count();
    assert_eq!(others, 1);
    let longest = log.lines().map(str::len).max();
    assert!(longest < Some(1_000), "{longest:?}");
}
