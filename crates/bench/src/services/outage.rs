//! S6: how fast the relay publishes its outboxes after an outage of the broker.

use std::ops::Range;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use test_servers::Broker;

use super::consumer::{Consumer, Event, now_in_microseconds};
use super::deployment::Deployment;
use super::locks::{WARM_UP_USERS, first_events, lock_request, lock_requests};
use crate::async_connection::AsyncConnection;
use crate::results::{Promise, Results};

const USERS: usize = 2_000;

/// The number of events per user. Locks and unlocks alternate.
const EVENTS: u64 = 10;

/// The number of connections that send locks and unlocks at the same time.
const CONNECTIONS: usize = 64;

/// An outage of the broker. Dropping it starts the broker again.
struct Outage {
    is_over: bool,
}

impl Outage {
    fn begin() -> anyhow::Result<Self> {
        Broker::find()?.stop()?;
        Ok(Self { is_over: false })
    }

    fn end(mut self) -> anyhow::Result<()> {
        Broker::find()?.start()?;
        self.is_over = true;
        Ok(())
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = Broker::find().and_then(Broker::start);
        }
    }
}

pub(super) fn measure(deployment: &mut Deployment, results: &mut Results) -> anyhow::Result<()> {
    let bearer = deployment.register_lock_client("outage-lock-client")?;
    let warm_up_users = deployment.import_users(WARM_UP_USERS)?;
    let users = deployment.import_users(USERS)?;
    send(deployment, &[lock_requests(deployment, &bearer, warm_up_users.clone())])?;
    let warm_up_users = first_events(deployment, warm_up_users);
    deployment.start_consumer()?.await_events(&warm_up_users)?;
    let outage = match Outage::begin() {
        Ok(outage) => outage,
        Err(error) => {
            eprintln!("skipped: s6, because the broker cannot be stopped: {error:#}");
            return Ok(());
        }
    };
    send(deployment, &split_requests(deployment, &bearer, &users))?;
    // The relay is paused until the consumer is connected. A consumer that connected later would get the first events
    // in one batch, and the relay would seem faster than it is.
    let consumer = deployment.credential_lock.while_paused(|| {
        outage.end()?;
        let consumer = deployment.start_consumer()?;
        consumer.await_events(&warm_up_users)?;
        Ok(consumer)
    })?;
    add_results(&consumer, &events(deployment, users), results)
}

#[expect(clippy::cast_precision_loss, reason = "a count of events, and seconds")]
fn add_results(consumer: &Consumer, events: &[Event], results: &mut Results) -> anyhow::Result<()> {
    let begun = now_in_microseconds();
    let arrivals = consumer.await_events(events)?;
    let first = arrivals.iter().min().context("there are no events")?;
    let last = arrivals.iter().max().context("there are no events")?;
    let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e6;
    results.add(
        "S6 reconnected",
        "from the resumption of the relay to the first event in a consumer",
        seconds(begun, *first),
        "s",
    );
    let what = format!(
        "events per second after an outage, first to last in a consumer: {} events of {USERS} users",
        events.len()
    );
    let rate = events.len() as f64 / seconds(*first, *last);
    results.add_promised("S6", what, rate, (Promise::AtLeast(5_000.0), "1/s"));
    Ok(())
}

fn events(deployment: &Deployment, users: Range<usize>) -> Vec<Event> {
    let of_user = |n| (1..=EVENTS).map(move |sequence| (deployment.user_id(n), sequence));
    users.flat_map(of_user).collect()
}

/// Returns the requests of each connection: all changes of its share of the users, so that they stay in order.
fn split_requests(deployment: &Deployment, bearer: &str, users: &Range<usize>) -> Vec<Vec<String>> {
    let share = |first| users.clone().skip(first).step_by(CONNECTIONS);
    let changes = |n| {
        let operations = (1..=EVENTS).map(|sequence| if sequence % 2 == 1 { "lock" } else { "unlock" });
        operations.map(move |operation| lock_request(operation, bearer, &deployment.user_id(n)))
    };
    (0..CONNECTIONS)
        .map(|first| share(first).flat_map(changes).collect())
        .collect()
}

/// Sends each share on a connection of its own, and each request after the response to the previous one.
fn send(deployment: &Deployment, shares: &[Vec<String>]) -> anyhow::Result<()> {
    let port = deployment.credential_lock.port;
    let send_share = async |share: &Vec<String>| {
        let mut connection = AsyncConnection::open(port).await?;
        for request in share {
            let response = connection.send(request).await?;
            response.expect_status(204)?;
        }
        anyhow::Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(try_join_all(shares.iter().map(send_share)))?;
    Ok(())
}
