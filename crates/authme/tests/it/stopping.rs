//! SIGTERM under load (C10 in `docs/promises.md`): no request is lost, and nobody's connection is cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::operator::{Operator, Serving, comes_to_be};
use crate::wire::{Connection, Request};

/// Callers that ask on kept connections. Every other one pauses between its requests, so that its connection is idle
/// at times.
const CALLERS: usize = 16;

const PAUSE: Duration = Duration::from_millis(7);

/// How often it is asked to end, unless the environment says so.
const ROUNDS: usize = 3;

#[expect(clippy::disallowed_methods, reason = "the length of a trial is no setting of AuthMe")]
pub(crate) fn rounds(otherwise: usize) -> usize {
    let rounds = std::env::var("AUTHME_TRIAL_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(otherwise)
}

/// What came of a caller's requests.
#[derive(Default)]
struct Asked {
    answered: usize,
    lost: Vec<String>,
    /// Answers that said that the connection will be closed.
    told_to_close: usize,
}

/// Asks until it was told twice to close: on a kept connection, and on the one that it opened then, as a caller does
/// until it has heard from its balancer.
fn ask_until_told(address: SocketAddr, pause: Duration, answered: &AtomicUsize) -> Asked {
    let mut asked = Asked::default();
    let keys = Request::get("/keys");
    while asked.told_to_close < 2 && asked.lost.is_empty() {
        let mut connection = match Connection::try_open(address) {
            Ok(connection) => connection,
            Err(error) => {
                asked.lost.push(format!("no connection: {error}"));
                break;
            }
        };
        loop {
            match connection.attempt(&keys) {
                Ok(answer) if answer.status == 200 => {
                    asked.answered += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                    if answer.header("connection") == Some("close") {
                        asked.told_to_close += 1;
                        break;
                    }
                }
                other => {
                    asked.lost.push(format!("{other:?}"));
                    break;
                }
            }
            thread::sleep(pause);
        }
    }
    asked
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
        let asked: Vec<Asked> = thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|n| {
                    let (pause, answered) = (PAUSE * u32::from(n % 2 == 1), &answered);
                    scope.spawn(move || ask_until_told(address, pause, answered))
                })
                .collect();
            comes_to_be("the load", || answered.load(Ordering::Relaxed) > CALLERS * 20);
            serving.signal("-TERM");
            callers
                .into_iter()
                .map(|caller| caller.join().expect("no panic"))
                .collect()
        });
        requests += asked.iter().map(|asked| asked.answered).sum::<usize>();
        lost.extend(asked.into_iter().flat_map(|asked| asked.lost));
        // Nothing was sent on it, so its end is in order: no byte, and no reset.
        assert_eq!(idle.rest(), 0);
        assert_eq!(serving.end().0, Some(0));
        assert!(Connection::try_open(address).is_err());
    }
    println!("trial c10 serve: {requests} trials, {} failures", lost.len());
    assert_eq!(lost, Vec::<String>::new());
}
