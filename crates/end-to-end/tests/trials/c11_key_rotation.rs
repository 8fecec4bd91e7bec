//! C11: keys rotate while tokens are renewed and verified.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::{Timestamp, after};
use end_to_end::{Answer, Caller, Options, Servers, Service, eventually};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::stage::{Clients, Stage};
use crate::tally::{Tally, end, rounds};

const ROTATIONS: usize = 2;

/// At each of two replicas of `tokens`.
const RENEWERS: usize = 4;

/// Between one renewal and the next.
const PAUSE: Duration = Duration::from_millis(20);

/// A key is published so long before it signs: several times as long as a replica takes to see it.
const AHEAD: Duration = Duration::from_secs(5);

/// Everything here happens sooner.
const OVERDUE: Duration = Duration::from_secs(30);

/// What the renewers have seen so far.
#[derive(Default)]
struct Seen {
    requests: usize,
    failures: Vec<String>,
    /// Every key that signed, with the number of renewers that have met it.
    keys: BTreeSet<(String, usize)>,
    stopped: bool,
}

pub(crate) async fn fails_nobody(servers: Servers) -> Outcome {
    let rotations = rounds(ROTATIONS);
    let stage = Stage::new(&servers).await;
    let deployment = stage.start_all(&Options::default()).await;
    let replica = stage.start(Service::Tokens, Options::replica()).await;
    let here = stage.clients().await;
    let there = here.at(Caller::new(
        replica.base_url(),
        deployment.factors.base_url(),
        deployment.credential_lock.base_url(),
    ));
    let users = stage.users(2 * RENEWERS).await;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut renewers = JoinSet::new();
    for (number, user) in users.into_iter().enumerate() {
        let clients = if number % 2 == 0 { here.clone() } else { there.clone() };
        renewers.spawn(renew(clients, user, number, seen.clone()));
    }
    let mut times = Vec::new();
    for _ in 0..rotations {
        times.push(rotate(&stage, &seen).await);
    }
    seen.lock().unwrap().stopped = true;
    renewers.join_all().await;

    let Seen { requests, failures, .. } = std::mem::take(&mut *seen.lock().unwrap());
    let mut tally = Tally::of("c11");
    for failure in &failures {
        tally.add(Err(failure.clone()));
    }
    (failures.len()..requests).for_each(|_| tally.add(Ok(())));
    let slowest = times.into_iter().max().unwrap_or_default();
    println!("c11: {rotations} rotations, each finished within {slowest:.1?}");
    end(vec![tally])
}

/// Makes a key, waits until everybody has a token that it signed, and retires those before; how long that took.
async fn rotate(stage: &Stage, seen: &Mutex<Seen>) -> Duration {
    let operator = async |arguments: &[&str]| stage.installation.operator(arguments).await;
    let older = operator(&["keys", "list"]).await;
    let begun = Instant::now();
    let signs_from = after(now(), AHEAD).to_string();
    let made = operator(&["keys", "generate", "--signs-from", &signs_from, "--force"]).await;
    let key = kid(&made[0]);
    eventually("everybody meets the new key", OVERDUE, async || {
        let seen = seen.lock().unwrap();
        (0..2 * RENEWERS)
            .all(|renewer| seen.keys.contains(&(key.clone(), renewer)))
            .then_some(())
    })
    .await;
    for old in older.iter().filter(|old| old.get("retiredAt").is_none()) {
        operator(&["keys", "retire", &kid(old)]).await;
    }
    begun.elapsed()
}

fn kid(key: &Value) -> String {
    key["kid"].as_str().expect("a key has a name").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "an operator reads the clock on the wall")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Renews a session, and lists contacts by each access token, until it is to stop.
async fn renew(clients: Clients, user: String, number: usize, seen: Arc<Mutex<Seen>>) {
    let session = clients.session(&user, true).answer().await.with_status(200);
    let mut token = session.text("refreshToken");
    while !seen.lock().unwrap().stopped {
        let renewed = clients.caller.renew(&clients.portal, &token, true).answer().await;
        note(&seen, "renewal", &renewed);
        if renewed.status == 200 {
            token = renewed.text("refreshToken");
            let bearer = renewed.text("accessToken");
            let listed = clients.caller.own_contacts(&bearer).answer().await;
            note(&seen, "list", &listed);
            seen.lock().unwrap().keys.insert((signer(&bearer), number));
        }
        sleep(PAUSE).await;
    }
}

fn note(seen: &Mutex<Seen>, what: &str, answer: &Answer) {
    let mut seen = seen.lock().unwrap();
    seen.requests += 1;
    if answer.status != 200 {
        seen.failures.push(format!("{what}: {} {}", answer.status, answer.body));
    }
}

/// The key that signed a token.
fn signer(token: &str) -> String {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).expect("a header");
    kid(&serde_json::from_slice(&header).expect("a header"))
}
