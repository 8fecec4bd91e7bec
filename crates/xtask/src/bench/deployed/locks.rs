//! S4: how long a lock takes, and how soon others know.

use std::ops::Range;
use std::time::Duration;

use super::deployment::Deployment;
use super::follower::Event;
use super::schedule;
use crate::bench::connection::request;
use crate::bench::figures::{Figures, Promise, percentile};
use crate::bench::population::BASE;

const PER_SECOND: u32 = 200;

/// Users whose locks are not counted. Enough for one in every partition: once theirs have arrived, the consumer has read
/// whatever was in the topics before.
pub(super) const FORERUNNERS: usize = 240;

pub(super) fn measure(deployment: &mut Deployment, length: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let desk = deployment.desk("desk")?;
    let port = deployment.credential_lock.port;
    let pause = Duration::from_secs(1) / PER_SECOND;
    let follower = deployment.follow()?;
    let forerunners = deployment.fresh_users(FORERUNNERS)?;
    schedule::run(port, &locks(deployment, &desk, forerunners.clone()), pause)?;
    follower.arrivals(&first_events(deployment, forerunners))?;
    let count = usize::try_from(length.as_secs())? * PER_SECOND as usize;
    let users = deployment.fresh_users(count)?;
    let sent = schedule::run(port, &locks(deployment, &desk, users.clone()), pause)?;
    let arrivals = follower.arrivals(&first_events(deployment, users))?;
    let mut locks: Vec<f64> = sent.iter().map(|sent| sent.took).collect();
    let mut events: Vec<f64> = sent
        .iter()
        .zip(arrivals)
        .map(|(sent, arrived)| Duration::from_micros(arrived.saturating_sub(sent.scheduled_at)).as_secs_f64() * 1e3)
        .collect();
    figures.tell(
        "S4 lock p50",
        "median of a lock, from its scheduled time",
        percentile(&mut locks, 50),
        "ms",
    );
    figures.promise(
        "S4 lock",
        format!("p99 of a lock at {PER_SECOND}/s, from its scheduled time, {count} users"),
        percentile(&mut locks, 99),
        (Promise::AtMost(50.0), "ms"),
    );
    figures.tell(
        "S4 event p50",
        "median from a lock's scheduled time to its event in a Kafka consumer",
        percentile(&mut events, 50),
        "ms",
    );
    figures.promise(
        "S4 event",
        "p99 from a lock's scheduled time to its event in a Kafka consumer",
        percentile(&mut events, 99),
        (Promise::AtMost(250.0), "ms"),
    );
    Ok(())
}

/// Turns a user's credential: `lock` or `unlock`.
pub(super) fn turn(way: &str, desk: &str, user: &str) -> String {
    let path = format!("{BASE}/user-identities/{way}");
    request("POST", &path, desk, &format!(r#"{{"userId":"{user}"}}"#))
}

/// A lock of each user.
pub(super) fn locks(deployment: &Deployment, desk: &str, users: Range<usize>) -> Vec<String> {
    users.map(|n| turn("lock", desk, &deployment.user(n))).collect()
}

/// The event of each user's first lock.
pub(super) fn first_events(deployment: &Deployment, users: Range<usize>) -> Vec<Event> {
    users.map(|n| (deployment.user(n), 1)).collect()
}
