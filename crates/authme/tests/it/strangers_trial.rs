//! A stranger who wants memory (`docs/threat-model.md`): connections that read nothing, methods of any name and any length.

use std::net::SocketAddr;

use crate::operator::{Operator, Serving, free_address};
use crate::stopping::rounds;
use crate::wire::{Connection, Request, ask};

/// Connections that ask for the largest answer there is and read nothing of it.
const CONNECTIONS: usize = 300;

const LARGEST: &str = "/docs/scalar.js";

/// Methods of random names, unless the environment says so.
const METHODS: usize = 300;

/// Bytes of a long method: below what a head may have.
const LONG: usize = 90_000;

/// In MB. A build without optimisation needs about 30 when nobody asks.
const MOST_MEMORY: u64 = 100;

/// Half of them are on routes that exist.
fn ask_by_method(address: SocketAddr, name: &str, number: usize) -> bool {
    let path = ["/security/iam/v1/keys", "/nowhere"][number % 2];
    let mut connection = Connection::open(address);
    connection.write(format!("{name} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
    connection.read(false).is_ok()
}

#[test]
fn strangers_find_neither_memory_nor_metrics_to_fill() {
    let operator = Operator::new();
    let management = free_address();
    // Without the limits of connections, which would end it at once.
    let unlimited = [
        ("AUTHME__HTTP__CONNECTIONS_PER_PEER", "0"),
        ("AUTHME__HTTP__CONNECTIONS", "0"),
    ];
    let serving = Serving::start_managed(&operator, &unlimited, management);
    let metrics = || ask(management, Request::at_root("GET", "/metrics")).text();
    for number in 0..2 {
        assert!(ask_by_method(serving.address, "BREW", number));
    }
    assert_eq!(ask(serving.address, Request::at_root("GET", LARGEST)).status, 200);
    let lines = metrics().lines().count();
    let idle = serving.resident();

    let stalled: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut connection = Connection::open(serving.address);
            connection.write(format!("GET {LARGEST} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            connection
        })
        .collect();
    let methods = rounds(METHODS);
    let mut refused = 0;
    let mut most = idle;
    for number in 0..methods {
        let mut name = format!("BREW{number}");
        if number % 10 == 0 {
            name.push_str(&"X".repeat(LONG));
        }
        refused += usize::from(!ask_by_method(serving.address, &name, number));
        if number % 100 == 0 {
            most = most.max(serving.resident());
        }
    }
    most = most.max(serving.resident());
    let after = metrics();
    drop(stalled);
    println!("strangers: {idle} kB idle, {most} kB at most, {lines} lines of metrics");
    println!("trial strangers: {} trials, {refused} failures", CONNECTIONS + methods);
    assert_eq!(refused, 0);
    assert_eq!(after.lines().count(), lines, "{after}");
    assert!(most < MOST_MEMORY * 1024, "{most} kB");
    let (code, log) = serving.end();
    assert_eq!(code, Some(0));
    // Each answered request is one line. What cannot be read is counted, and nothing else is said of it.
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
