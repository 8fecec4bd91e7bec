//! C11: keys rotate while tokens are renewed and verified.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::time::{Timestamp, after};
use end_to_end::{Caller, Options, Response, Servers, Service, eventually};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::setup::{Clients, Setup};
use crate::summary::{Summary, finish, rounds};

const ROTATIONS: usize = 2;

/// The number of renewing clients at each of the two replicas of `tokens`.
const RENEWERS: usize = 4;

/// The pause between two renewals.
const PAUSE: Duration = Duration::from_millis(20);

/// The time between the publication of a key and its first signature. It is several times the delay after which a
/// replica reads the key.
const AHEAD: Duration = Duration::from_secs(5);

/// The time limit of a step, which is more than any step takes.
const OVERDUE: Duration = Duration::from_secs(30);

/// The results of the renewing clients so far.
#[derive(Default)]
struct Results {
    requests: usize,
    failures: Vec<String>,
    /// Each key that signed a token, with the index of a client that got such a token.
    keys: BTreeSet<(String, usize)>,
    is_stopped: bool,
}

pub(crate) async fn no_request_fails(servers: Servers) -> Outcome {
    let rotations = rounds(ROTATIONS);
    let setup = Setup::new(&servers).await;
    let deployment = setup.start_all(&Options::default()).await;
    let replica = setup.start(Service::Tokens, Options::replica()).await;
    let here = setup.clients().await;
    let there = here.at(Caller::new(
        replica.base_url(),
        deployment.factors.base_url(),
        deployment.credential_lock.base_url(),
    ));
    let users = setup.register_users(2 * RENEWERS).await;
    let results = Arc::new(Mutex::new(Results::default()));
    let mut renewers = JoinSet::new();
    for (index, user) in users.into_iter().enumerate() {
        let clients = if index % 2 == 0 { here.clone() } else { there.clone() };
        renewers.spawn(renew(clients, user, index, results.clone()));
    }
    let mut times = Vec::new();
    for _ in 0..rotations {
        times.push(rotate(&setup, &results).await);
    }
    results.lock().unwrap().is_stopped = true;
    renewers.join_all().await;

    let Results { requests, failures, .. } = std::mem::take(&mut *results.lock().unwrap());
    let mut summary = Summary::new("c11");
    for failure in &failures {
        summary.add(Err(failure.clone()));
    }
    (failures.len()..requests).for_each(|_| summary.add(Ok(())));
    let slowest = times.into_iter().max().unwrap_or_default();
    println!("c11: {rotations} rotations, each finished within {slowest:.1?}");
    finish(vec![summary])
}

/// Generates a key, waits until every client has a token that was signed with it, and retires the older keys. Returns
/// the time that this took.
async fn rotate(setup: &Setup, results: &Mutex<Results>) -> Duration {
    let operator = async |arguments: &[&str]| setup.installation.operate(arguments).await;
    let older = operator(&["keys", "list"]).await;
    let started = Instant::now();
    let signs_from = after(now(), AHEAD).to_string();
    let generated = operator(&["keys", "generate", "--signs-from", &signs_from, "--force"]).await;
    let key = kid(&generated[0]);
    eventually(
        "every client has a token signed with the new key",
        OVERDUE,
        async || {
            let results = results.lock().unwrap();
            (0..2 * RENEWERS)
                .all(|renewer| results.keys.contains(&(key.clone(), renewer)))
                .then_some(())
        },
    )
    .await;
    for old in older.iter().filter(|old| old.get("retiredAt").is_none()) {
        operator(&["keys", "retire", &kid(old)]).await;
    }
    started.elapsed()
}

fn kid(key: &Value) -> String {
    key["kid"].as_str().expect("a key has a name").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "an operator reads the system clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Renews a session, and lists contacts with each access token, until the trial stops it.
async fn renew(clients: Clients, user: String, index: usize, results: Arc<Mutex<Results>>) {
    let session = clients.session_request(&user, true).send().await.expect_status(200);
    let mut token = session.text("refreshToken");
    while !results.lock().unwrap().is_stopped {
        let renewed = clients.caller.renew(&clients.portal, &token, true).send().await;
        record(&results, "renewal", &renewed);
        if renewed.status == 200 {
            token = renewed.text("refreshToken");
            let bearer = renewed.text("accessToken");
            let listed = clients.caller.own_contacts(&bearer).send().await;
            record(&results, "list", &listed);
            results.lock().unwrap().keys.insert((signer(&bearer), index));
        }
        sleep(PAUSE).await;
    }
}

fn record(results: &Mutex<Results>, what: &str, response: &Response) {
    let mut results = results.lock().unwrap();
    results.requests += 1;
    if response.status != 200 {
        results
            .failures
            .push(format!("{what}: {} {}", response.status, response.body));
    }
}

/// Returns the id of the key that signed a token.
fn signer(token: &str) -> String {
    kid(&test_support::jwt::decode(token).0)
}
