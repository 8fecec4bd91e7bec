//! C10 (docs/promises.md): SIGTERM under load loses no request and cuts no connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::operator::{Operator, Serving, eventually};
use test_support::http::{Connection, Request};

/// The number of callers on persistent connections. Every other caller pauses between its requests, so that its connection
/// is idle at times.
const CALLERS: usize = 16;

/// The pause of these callers between two requests.
const PAUSE: Duration = Duration::from_millis(7);

/// The number of rounds of start and stop, unless `AUTHME_TRIAL_ROUNDS` overrides it.
const ROUNDS: usize = 3;

#[expect(
    clippy::disallowed_methods,
    reason = "the length of a trial is not a setting of AuthMe"
)]
pub(crate) fn rounds(default: usize) -> usize {
    let rounds = std::env::var("AUTHME_TRIAL_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

/// The results of one caller.
#[derive(Default)]
struct CallerResults {
    answered: usize,
    lost: Vec<String>,
    /// Answers with `Connection: close`.
    close_announcements: usize,
}

/// Sends requests until two answers had `Connection: close`: one on the first connection, and one on the next. Real callers
/// reconnect like this until their load balancer notices that the server is not ready.
fn send_until_close(address: SocketAddr, pause: Duration, answered: &AtomicUsize) -> CallerResults {
    let mut results = CallerResults::default();
    let keys = Request::get("/keys");
    while results.close_announcements < 2 && results.lost.is_empty() {
        let mut connection = match Connection::try_open(address) {
            Ok(connection) => connection,
            Err(error) => {
                results.lost.push(format!("no connection: {error}"));
                break;
            }
        };
        loop {
            match connection.attempt(&keys) {
                Ok(answer) if answer.status == 200 => {
                    results.answered += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                    if answer.header("connection") == Some("close") {
                        results.close_announcements += 1;
                        break;
                    }
                }
                other => {
                    results.lost.push(format!("{other:?}"));
                    break;
                }
            }
            thread::sleep(pause);
        }
    }
    results
}

#[test]
fn c10_a_stop_under_load_loses_no_request() {
    let rounds = rounds(ROUNDS);
    let operator = Operator::new();
    let (mut requests, mut lost) = (0, Vec::new());
    for _ in 0..rounds {
        let serving = Serving::start(&operator, &[("AUTHME__HTTP__DRAIN", "1s")]);
        let address = serving.address;
        let mut idle = Connection::open(address);
        assert_eq!(idle.send(&Request::get("/keys")).status, 200);
        let answered = AtomicUsize::new(0);
        let results: Vec<CallerResults> = thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|n| {
                    let (pause, answered) = (PAUSE * u32::from(n % 2 == 1), &answered);
                    scope.spawn(move || send_until_close(address, pause, answered))
                })
                .collect();
            eventually("the load", || answered.load(Ordering::Relaxed) > CALLERS * 20);
            serving.signal("-TERM");
            callers
                .into_iter()
                .map(|caller| caller.join().expect("no panic"))
                .collect()
        });
        requests += results.iter().map(|results| results.answered).sum::<usize>();
        lost.extend(results.into_iter().flat_map(|results| results.lost));
        // No request was sent on the connection, so its end is regular: no byte and no reset.
        assert_eq!(idle.read_rest(), 0);
        assert_eq!(serving.stop().0, Some(0));
        assert!(Connection::try_open(address).is_err());
    }
    println!("trial c10 serve: {requests} trials, {} failures", lost.len());
    assert_eq!(lost, Vec::<String>::new());
}
