//! C6: the broker is stopped while commands continue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use end_to_end::{Options, Servers};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::Outcome;
use crate::broker::Broker;
use crate::consumer::Consumer;
use crate::setup::{Clients, Setup};
use crate::summary::{Summary, finish, rounds};
use crate::workloads::{ContactAdditions, LockChanges, Workload};

/// The default length of the outage, in seconds.
const OUTAGE_SECONDS: usize = 4;

/// The number of senders of locks and unlocks, and of senders of contacts. Each sends one command per second.
const LOCK_SENDERS: usize = 40;
const CONTACT_SENDERS: usize = 10;
const PACE: Duration = Duration::from_secs(1);

/// The delay between two senders, which spreads the fifty senders over a second.
const STAGGER: Duration = Duration::from_millis(20);

/// How long the senders run before the outage, and after it.
const LOAD_MARGIN: Duration = Duration::from_millis(1_500);

/// The maximum time that a broker takes to start, in seconds, with a wide margin.
const MAX_BROKER_START_SECONDS: usize = 90;

/// The time in which all events have to arrive. A Kafka client retries a lost broker at least every ten seconds, and a
/// relay continues half a second later.
const DRAINS_WITHIN: Duration = Duration::from_mins(1);

/// A 503 that takes longer than this is counted separately, and its request is repeated. On a busy machine the service
/// abandons a slow store after a little more than two seconds, and the outage of the broker is not the cause.
const SLOW_STORE: Duration = Duration::from_secs(2);

/// The results of one sender.
struct SenderResult {
    workload: Workload,
    requests: usize,
    repeated: usize,
    slowest: Duration,
    failures: Vec<String>,
}

pub(crate) async fn no_request_fails(servers: Servers) -> Outcome {
    let outage_seconds = rounds(OUTAGE_SECONDS);
    let setup = Setup::new(&servers).await;
    let _deployment = setup.start_all(&Options::default()).await;
    let clients = setup.clients().await;
    // A user has room for at least nine contacts.
    let users = setup
        .register_users(LOCK_SENDERS + CONTACT_SENDERS * (2 + (outage_seconds + MAX_BROKER_START_SECONDS) / 8))
        .await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    let mut delay = Duration::ZERO;
    for workload in workloads(&users) {
        senders.spawn(run_sender(clients.clone(), workload, delay, is_over.clone()));
        delay += STAGGER;
    }
    let started_at = Instant::now();
    sleep(LOAD_MARGIN).await;
    spawn_blocking(Broker::stop).await.expect("no panic");
    let stopped_at = Instant::now();
    sleep(Duration::from_secs(outage_seconds as u64)).await;
    spawn_blocking(Broker::start).await.expect("no panic");
    let restarted_at = Instant::now();
    sleep(LOAD_MARGIN).await;
    is_over.store(true, Ordering::Relaxed);
    let sent = senders.join_all().await;
    let (lasted, outage) = (started_at.elapsed(), restarted_at - stopped_at);

    let requests = summarize_requests(&sent);
    let mut consumer = Consumer::new(&servers.kafka_brokers, &users);
    let all = |consumer: &Consumer| sent.iter().all(|sent| sent.workload.has_all_events_in(consumer));
    consumer.read_until(DRAINS_WITHIN, all).await;
    let drained = restarted_at.elapsed();
    let mut histories = Summary::new("c6 histories");
    for sent in &sent {
        histories.add(sent.workload.verify(&consumer));
    }
    histories.add(consumer.verify());
    let slowest = sent.iter().map(|sent| sent.slowest).max().unwrap_or_default();
    let repeated: usize = sent.iter().map(|sent| sent.repeated).sum();
    println!(
        "c6: {} commands in {lasted:.1?}, the slowest took {slowest:.2?}; the outage lasted {outage:.1?}; the last of {} events \
         arrived {drained:.1?} after it, {} were repeated; {repeated} commands were repeated because the store was too slow",
        requests.trials(),
        consumer.event_count(),
        consumer.repetitions()
    );
    finish(vec![requests, histories])
}

fn summarize_requests(sent: &[SenderResult]) -> Summary {
    let mut summary = Summary::new("c6 requests");
    for sent in sent {
        for failure in &sent.failures {
            summary.add(Err(failure.clone()));
        }
        (sent.failures.len()..sent.requests).for_each(|_| summary.add(Ok(())));
    }
    summary
}

/// Returns the workloads of all senders.
fn workloads(users: &[String]) -> Vec<Workload> {
    let (lock_users, contact_users) = users.split_at(LOCK_SENDERS);
    let mut workloads: Vec<Workload> = lock_users
        .iter()
        .map(|user| Workload::LockChanges(LockChanges::new(user)))
        .collect();
    let users_per_sender = contact_users.len() / CONTACT_SENDERS;
    let contacts = contact_users
        .chunks(users_per_sender)
        .map(|users| Workload::ContactAdditions(ContactAdditions::new(users.to_vec())));
    workloads.extend(contacts.take(CONTACT_SENDERS));
    workloads
}

async fn run_sender(clients: Clients, workload: Workload, delay: Duration, is_over: Arc<AtomicBool>) -> SenderResult {
    let mut sent = SenderResult {
        workload,
        requests: 0,
        repeated: 0,
        slowest: Duration::ZERO,
        failures: Vec::new(),
    };
    let mut pace = interval_at(Instant::now() + delay, PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !is_over.load(Ordering::Relaxed) {
        if let Workload::ContactAdditions(contacts) = &mut sent.workload {
            contacts.make_room();
        }
        pace.tick().await;
        let sent_at = Instant::now();
        let response = sent.workload.command(&clients).try_send().await;
        let duration = sent_at.elapsed();
        if duration > SLOW_STORE && response.as_ref().is_ok_and(|response| response.status == 503) {
            sent.repeated += 1;
            continue;
        }
        sent.slowest = sent.slowest.max(duration);
        sent.requests += 1;
        let response = response.map_err(|error| format!("no response: {error:?}"));
        let acknowledged = response.and_then(|response| sent.workload.acknowledge(&response));
        sent.failures.extend(acknowledged.err());
    }
    sent
}
