//! S4: the latency of a lock, and of its event in a consumer.

use std::ops::Range;
use std::time::Duration;

use test_servers::http::request;

use super::consumer::Event;
use super::deployment::Deployment;
use super::schedule;
use crate::population::BASE;
use crate::results::{Promise, Results, percentile};

/// The number of locks per second.
const PER_SECOND: u32 = 200;

/// The number of users that are locked before the measurement, enough for at least one in every partition. When their
/// events have arrived, the consumer has read the events of earlier runs.
pub(super) const WARM_UP_USERS: usize = 240;

pub(super) fn measure(deployment: &mut Deployment, length: Duration, results: &mut Results) -> anyhow::Result<()> {
    let bearer = deployment.register_lock_client("lock-client")?;
    let port = deployment.credential_lock.port;
    let pause = Duration::from_secs(1) / PER_SECOND;
    let consumer = deployment.start_consumer()?;
    let warm_up_users = deployment.import_users(WARM_UP_USERS)?;
    schedule::run(port, &lock_requests(deployment, &bearer, warm_up_users.clone()), pause)?;
    consumer.await_events(&first_events(deployment, warm_up_users))?;
    let count = usize::try_from(length.as_secs())? * PER_SECOND as usize;
    let users = deployment.import_users(count)?;
    let sent = schedule::run(port, &lock_requests(deployment, &bearer, users.clone()), pause)?;
    let arrivals = consumer.await_events(&first_events(deployment, users))?;
    let mut locks: Vec<f64> = sent.iter().map(|sent| sent.latency).collect();
    let mut events: Vec<f64> = sent
        .iter()
        .zip(arrivals)
        .map(|(sent, arrived)| Duration::from_micros(arrived.saturating_sub(sent.scheduled_at)).as_secs_f64() * 1e3)
        .collect();
    results.add(
        "S4 lock p50",
        "median of a lock, from its scheduled time",
        percentile(&mut locks, 50),
        "ms",
    );
    results.add_promised(
        "S4 lock",
        format!("p99 of a lock at {PER_SECOND}/s, from its scheduled time, {count} users"),
        percentile(&mut locks, 99),
        (Promise::AtMost(50.0), "ms"),
    );
    results.add(
        "S4 event p50",
        "median from a lock's scheduled time to its event in a Kafka consumer",
        percentile(&mut events, 50),
        "ms",
    );
    results.add_promised(
        "S4 event",
        "p99 from a lock's scheduled time to its event in a Kafka consumer",
        percentile(&mut events, 99),
        (Promise::AtMost(250.0), "ms"),
    );
    Ok(())
}

/// Returns the request that locks or unlocks a user; `operation` is `lock` or `unlock`.
pub(super) fn lock_request(operation: &str, bearer: &str, user: &str) -> String {
    let path = format!("{BASE}/user-identities/{operation}");
    request("POST", &path, bearer, &format!(r#"{{"userId":"{user}"}}"#))
}

/// Returns one lock request per user.
pub(super) fn lock_requests(deployment: &Deployment, bearer: &str, users: Range<usize>) -> Vec<String> {
    users
        .map(|n| lock_request("lock", bearer, &deployment.user_id(n)))
        .collect()
}

/// Returns the event of each user's first lock.
pub(super) fn first_events(deployment: &Deployment, users: Range<usize>) -> Vec<Event> {
    users.map(|n| (deployment.user_id(n), 1)).collect()
}
