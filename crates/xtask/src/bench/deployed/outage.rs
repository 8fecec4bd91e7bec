//! S6: how fast the relay empties its outboxes once the brokers are back.

use std::ops::Range;

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;

use super::deployment::Deployment;
use super::follower::{Event, Follower, microseconds};
use super::locks::{FORERUNNERS, first_events, locks, turn};
use crate::bench::figures::{Figures, Promise};
use crate::bench::line::Line;
use crate::servers;

const USERS: usize = 2_000;

/// Of each user: locked and unlocked in turn.
const EVENTS: u64 = 10;

/// Connections that lock and unlock at the same time.
const CONNECTIONS: usize = 64;

/// The broker is away until it ends, or goes.
struct Outage {
    is_over: bool,
}

impl Outage {
    fn begin() -> anyhow::Result<Self> {
        servers::stop_kafka()?;
        Ok(Self { is_over: false })
    }

    fn end(mut self) -> anyhow::Result<()> {
        servers::start_kafka()?;
        self.is_over = true;
        Ok(())
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = servers::start_kafka();
        }
    }
}

pub(super) fn measure(deployment: &mut Deployment, figures: &mut Figures) -> anyhow::Result<()> {
    let desk = deployment.desk("desk-of-outage")?;
    let forerunners = deployment.fresh_users(FORERUNNERS)?;
    let users = deployment.fresh_users(USERS)?;
    send(deployment, &[locks(deployment, &desk, forerunners.clone())])?;
    let forerunners = first_events(deployment, forerunners);
    deployment.follow()?.arrivals(&forerunners)?;
    let outage = match Outage::begin() {
        Ok(outage) => outage,
        Err(failure) => {
            eprintln!("skipped: s6, because the broker cannot be stopped: {failure:#}");
            return Ok(());
        }
    };
    send(deployment, &shares(deployment, &desk, &users))?;
    // The relay waits until the consumer is there: one that connects later sees the first events all at once, and the
    // relay would seem faster than it is.
    let follower = deployment.credential_lock.while_it_stands_still(|| {
        outage.end()?;
        let follower = deployment.follow()?;
        follower.arrivals(&forerunners)?;
        Ok(follower)
    })?;
    tell(&follower, &events(deployment, users), figures)
}

#[expect(clippy::cast_precision_loss, reason = "a count of events, and seconds")]
fn tell(follower: &Follower, events: &[Event], figures: &mut Figures) -> anyhow::Result<()> {
    let begun = microseconds();
    let arrivals = follower.arrivals(events)?;
    let first = arrivals.iter().min().context("there are no events")?;
    let last = arrivals.iter().max().context("there are no events")?;
    let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e6;
    figures.tell(
        "S6 reconnected",
        "from the moment the relay may go on to the first event in a consumer",
        seconds(begun, *first),
        "s",
    );
    let what = format!(
        "events per second after an outage, first to last in a consumer: {} events of {USERS} users",
        events.len()
    );
    let rate = events.len() as f64 / seconds(*first, *last);
    figures.promise("S6", what, rate, (Promise::AtLeast(5_000.0), "1/s"));
    Ok(())
}

fn events(deployment: &Deployment, users: Range<usize>) -> Vec<Event> {
    let of_user = |n| (1..=EVENTS).map(move |sequence| (deployment.user(n), sequence));
    users.flat_map(of_user).collect()
}

/// What each connection sends: all turns of its own users, so that they come in order.
fn shares(deployment: &Deployment, desk: &str, users: &Range<usize>) -> Vec<Vec<String>> {
    let share = |first| users.clone().skip(first).step_by(CONNECTIONS);
    let turns = |n| {
        let ways = (1..=EVENTS).map(|sequence| if sequence % 2 == 1 { "lock" } else { "unlock" });
        ways.map(move |way| turn(way, desk, &deployment.user(n)))
    };
    (0..CONNECTIONS)
        .map(|first| share(first).flat_map(turns).collect())
        .collect()
}

/// Sends each share on a connection of its own, one request after the answer to the one before.
fn send(deployment: &Deployment, shares: &[Vec<String>]) -> anyhow::Result<()> {
    let port = deployment.credential_lock.port;
    let send_share = async |share: &Vec<String>| {
        let mut line = Line::open(port).await?;
        for request in share {
            let answer = line.ask(request).await?;
            ensure!(answer.status == 204, "status {}", answer.status);
        }
        anyhow::Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(try_join_all(shares.iter().map(send_share)))?;
    Ok(())
}
