//! C6: the broker is really away, while commands go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use end_to_end::{Options, Servers};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::Outcome;
use crate::broker::Broker;
use crate::consumer::Consumer;
use crate::stage::{Clients, Stage};
use crate::tally::{Tally, end, rounds};
use crate::works::{Contacts, Turns, Work};

/// The broker is away for so many seconds.
const AWAY: usize = 4;

/// Each sends one command a second.
const TURNERS: usize = 40;
const ADDERS: usize = 10;
const PACE: Duration = Duration::from_secs(1);

/// So that the fifty of them are spread over the second.
const STAGGER: Duration = Duration::from_millis(20);

/// Commands go on before the broker goes, and after it came back.
const AROUND: Duration = Duration::from_millis(1_500);

/// A broker takes so long to start, with much to spare.
const START: usize = 90;

/// A client of Kafka looks for a lost broker every ten seconds at least; a relay goes on half a second after that.
const DRAINS_WITHIN: Duration = Duration::from_mins(1);

/// A request whose store took longer than this was not failed by the broker: on a machine that is busy elsewhere the store
/// is given up after a little more. It is asked again, and told.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// What one sender brings back.
struct Sent {
    work: Work,
    requests: usize,
    asked_again: usize,
    slowest: Duration,
    failures: Vec<String>,
}

pub(crate) async fn fails_no_request(servers: Servers) -> Outcome {
    let away = rounds(AWAY);
    let stage = Stage::new(&servers).await;
    let _deployment = stage.start_all(&Options::default()).await;
    let clients = stage.clients().await;
    // A user has room for nine contacts or more.
    let users = stage.users(TURNERS + ADDERS * (2 + (away + START) / 8)).await;
    let stopped = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    let mut delay = Duration::ZERO;
    for work in works(&users) {
        senders.spawn(send(clients.clone(), work, delay, stopped.clone()));
        delay += STAGGER;
    }
    let begun = Instant::now();
    sleep(AROUND).await;
    spawn_blocking(Broker::stop).await.expect("no panic");
    let gone = Instant::now();
    sleep(Duration::from_secs(away as u64)).await;
    spawn_blocking(Broker::start).await.expect("no panic");
    let back = Instant::now();
    sleep(AROUND).await;
    stopped.store(true, Ordering::Relaxed);
    let sent = senders.join_all().await;
    let (lasted, was_away) = (begun.elapsed(), back - gone);

    let requests = requests(&sent);
    let mut consumer = Consumer::of(&servers.kafka_brokers, &users);
    let all = |consumer: &Consumer| sent.iter().all(|sent| sent.work.is_heard(consumer));
    consumer.hear_until(DRAINS_WITHIN, all).await;
    let drained = back.elapsed();
    let mut histories = Tally::of("c6 histories");
    for sent in &sent {
        histories.add(sent.work.judge(&consumer));
    }
    histories.add(consumer.judge());
    let slowest = sent.iter().map(|sent| sent.slowest).max().unwrap_or_default();
    let asked_again: usize = sent.iter().map(|sent| sent.asked_again).sum();
    println!(
        "c6: {} commands in {lasted:.1?}, the slowest took {slowest:.2?}; the broker was away for {was_away:.1?}; of {} events \
         the last came {drained:.1?} after it was back, {} came again; {asked_again} were asked again of a store that was too \
         slow",
        requests.trials(),
        consumer.total(),
        consumer.repeated()
    );
    end(vec![requests, histories])
}

fn requests(sent: &[Sent]) -> Tally {
    let mut tally = Tally::of("c6 requests");
    for sent in sent {
        for failure in &sent.failures {
            tally.add(Err(failure.clone()));
        }
        (sent.failures.len()..sent.requests).for_each(|_| tally.add(Ok(())));
    }
    tally
}

/// Forty who lock and unlock, ten who add contacts.
fn works(users: &[String]) -> Vec<Work> {
    let (turned, contacted) = users.split_at(TURNERS);
    let mut works: Vec<Work> = turned.iter().map(|user| Work::Turns(Turns::of(user))).collect();
    let each = contacted.len() / ADDERS;
    let contacts = contacted
        .chunks(each)
        .map(|users| Work::Contacts(Contacts::of(users.to_vec())));
    works.extend(contacts.take(ADDERS));
    works
}

async fn send(clients: Clients, work: Work, delay: Duration, stopped: Arc<AtomicBool>) -> Sent {
    let mut sent = Sent {
        work,
        requests: 0,
        asked_again: 0,
        slowest: Duration::ZERO,
        failures: Vec::new(),
    };
    let mut pace = interval_at(Instant::now() + delay, PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stopped.load(Ordering::Relaxed) {
        if let Work::Contacts(contacts) = &mut sent.work {
            contacts.make_room();
        }
        pace.tick().await;
        let asked = Instant::now();
        let answer = sent.work.command(&clients).attempt().await;
        let took = asked.elapsed();
        if took > STORE_PATIENCE && answer.as_ref().is_ok_and(|answer| answer.status == 503) {
            sent.asked_again += 1;
            continue;
        }
        sent.slowest = sent.slowest.max(took);
        sent.requests += 1;
        let answer = answer.map_err(|error| format!("no answer: {error:?}"));
        let acknowledged = answer.and_then(|answer| sent.work.acknowledge(&answer));
        sent.failures.extend(acknowledged.err());
    }
    sent
}
