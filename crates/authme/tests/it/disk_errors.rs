//! The server while its disk refuses writes. A limit of file sizes has the effect of a full disk, and needs no root.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixtures::secret_of;
use crate::operator::{Operator, Serving, eventually, free_address};
use crate::test_app::field;
use test_support::http::{Request, send};

/// Longer than two test writes of the store, which come every second: a server that is ready after the first has failed.
const OBSERVED: Duration = Duration::from_secs(3);

fn readiness(management: SocketAddr) -> u16 {
    send(management, Request::at_root("GET", "/health/ready")).status
}

fn lock(address: SocketAddr, token: &str, operation: &str) -> u16 {
    let request = Request::post(&format!("/user-identities/{operation}")).bearer(token);
    send(address, request.json(&json!({"userId": "ana"}))).status
}

#[test]
fn c21_a_full_disk_is_not_ready_until_there_is_room() {
    let operator = Operator::new();
    operator.register_fixtures();
    let management = free_address();
    let serving = Serving::start_without_size_signal(&operator, management);
    let login = Request::post("/client-identities/login").basic("locker", &secret_of("locker"));
    let locker = field(&send(serving.address, login).json(), "accessToken");
    assert_eq!(lock(serving.address, &locker, "lock"), 204);
    eventually("ready", || readiness(management) == 200);

    serving.limit_file_size("1");
    assert_eq!(lock(serving.address, &locker, "unlock"), 503);
    let start = Instant::now();
    while start.elapsed() < OBSERVED {
        assert_eq!(readiness(management), 503, "after {:?}", start.elapsed());
    }
    // Reads are answered meanwhile, and nothing acknowledged is lost.
    let status = send(
        serving.address,
        Request::get("/user-identities/ana/lock").bearer(&locker),
    );
    assert_eq!((status.status, &status.json()["locked"]), (200, &json!(true)));
    assert_eq!(lock(serving.address, &locker, "unlock"), 503);

    serving.limit_file_size("unlimited");
    eventually("ready again", || readiness(management) == 200);
    assert_eq!(lock(serving.address, &locker, "unlock"), 204);
    println!("trial c21 full disk: 1 trials, 0 failures");
    let (code, log) = serving.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the disk accepts writes again"), "{log}");
}
