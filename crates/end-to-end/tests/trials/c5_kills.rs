//! C5: `kill -9` between the commit of a command and the publication of its event.
//!
//! A proxy in front of the store holds the next message back, so each kill hits a known point.

use std::time::Duration;

use end_to_end::{Direction, Flow, Options, Process, ProxiedStore, Servers};
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::broker::{Broker, PausedBroker};
use crate::consumer::Consumer;
use crate::setup::{Clients, Setup, send_with_retries};
use crate::summary::{Summary, check, finish, rounds};
use crate::workloads::{ContactAdditions, LockChanges, SessionStarts, Workload};

/// The default number of kills: one per point.
const KILLS: usize = 7;

/// A short lease, so that the claims of a killed relay expire soon.
const LEASE: &str = "1s";

/// The number of further attempts after a command did not reach its point, which is not a failure of the service.
const RETRIES: usize = 2;

/// The time limit of a step, which is more than any step takes.
const OVERDUE: Duration = Duration::from_secs(30);

/// The time between the resumption of the relay and the kill. The service may or may not send the event to the paused
/// broker in this time.
const SEND_WINDOW: Duration = Duration::from_millis(40);

/// Texts that only the relay sends to the store: in the search for outboxes, in a claim, and in a settlement. A save names
/// the same members. So the first two begin with the BSON type of the value: null, and an object id.
const RELAY: &str = "\u{a}leaseUntil\0";
const CLAIM: &str = "\u{7}claim\0";
const SETTLE: &str = "$$event.sequence";

/// The point at which a service is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The service is about to write the command.
    Received,
    /// The command is written; the service has no response from the store.
    Written,
    /// The command is acknowledged; the relay has not read the event.
    Committed,
    /// The relay has claimed the event; it has no response from the store.
    Claimed,
    /// The relay has sent the event, or is about to; the broker has not acknowledged it.
    Sent,
    /// A consumer has received the event, which is still in the outbox.
    Published,
    /// The outbox is empty; the relay has no response from the store.
    Settled,
}

impl Point {
    const ALL: [Self; 7] = [
        Self::Received,
        Self::Written,
        Self::Committed,
        Self::Claimed,
        Self::Sent,
        Self::Published,
        Self::Settled,
    ];

    const fn is_acknowledged(self) -> bool {
        !matches!(self, Self::Received | Self::Written)
    }

    /// Makes the proxy hold the service at this point. For [`Self::Sent`], the proxy holds it at the previous point.
    /// Pausing the broker does the rest.
    fn intercept(self, store: &ProxiedStore, marker: &str) {
        let (text, direction, flow) = match self {
            Self::Received => (marker, Direction::ToServer, Flow::Hold),
            Self::Written => (marker, Direction::ToClient, Flow::Hold),
            Self::Committed => (RELAY, Direction::ToServer, Flow::Hold),
            Self::Claimed | Self::Sent => (CLAIM, Direction::ToClient, Flow::Hold),
            Self::Published => (SETTLE, Direction::ToServer, Flow::Hold),
            Self::Settled => (SETTLE, Direction::ToClient, Flow::Hold),
        };
        store.proxy.intercept(text, direction, flow);
    }
}

/// A service with a proxy of its own in front of the store, and the commands that it gets.
struct ServiceUnderTest {
    store: ProxiedStore,
    process: Option<Process>,
    workload: Workload,
}

struct Trial {
    setup: Setup,
    clients: Clients,
    broker: Option<Broker>,
    services: Vec<ServiceUnderTest>,
    consumer: Consumer,
}

pub(crate) async fn lose_no_event(servers: Servers) -> Outcome {
    let kills = rounds(KILLS);
    let mut trial = Trial::new(&servers, kills).await;
    let points: Vec<Point> = Point::ALL.into_iter().filter(|point| trial.can_reach(*point)).collect();
    let mut summaries: Vec<Summary> = points
        .iter()
        .map(|point| Summary::new(format!("c5 {point:?}").to_lowercase()))
        .collect();
    for number in 0..kills {
        let at = number % points.len();
        // With enough kills, the two indices combine every point with every service.
        let service = (number + number / points.len()) % trial.services.len();
        let outcome = trial.kill(service, points[at]).await;
        summaries[at].add(outcome);
    }
    println!(
        "c5: {kills} kills, {} events were repeated",
        trial.consumer.repetitions()
    );
    summaries.truncate(kills);
    finish(summaries)
}

impl Trial {
    async fn new(servers: &Servers, kills: usize) -> Self {
        let setup = Setup::new(servers).await;
        // A third of the kills hit the workload of contacts, with two commands each. A user has room for at least eight
        // contacts.
        let users = setup.register_users(4 + kills / 10).await;
        let mut services: Vec<ServiceUnderTest> = Vec::new();
        let workloads = [
            Workload::SessionStarts(SessionStarts::new(&users[0])),
            Workload::ContactAdditions(ContactAdditions::new(users[2..].to_vec())),
            Workload::LockChanges(LockChanges::new(&users[1])),
        ];
        for workload in workloads {
            let store = ProxiedStore::new(servers);
            let process = Some(start(&setup, &workload, &store).await);
            services.push(ServiceUnderTest {
                store,
                process,
                workload,
            });
        }
        let broker = Broker::find();
        if broker.is_none() {
            println!(
                "c5: only a broker that `cargo xtask servers up` started can be paused, so no service is killed while it sends"
            );
        }
        Self {
            clients: setup.clients().await,
            setup,
            broker,
            services,
            consumer: Consumer::new(&servers.kafka_brokers, &users),
        }
    }

    fn can_reach(&self, point: Point) -> bool {
        point != Point::Sent || self.broker.is_some()
    }

    /// Kills a service at a point of a command, restarts it, and verifies its writes and its events.
    async fn kill(&mut self, index: usize, point: Point) -> Result<(), String> {
        let mut retries = 0..RETRIES;
        let paused = loop {
            match self.reach(index, point).await {
                Ok(paused) => break paused,
                Err(failure) if retries.next().is_some() => {
                    println!("c5: {point:?} is repeated: {failure}");
                    self.restart(index, None).await?;
                    self.services[index].workload.read_back(&self.clients).await?;
                }
                Err(failure) => return Err(format!("the point was not reached: {failure}")),
            }
        };
        self.restart(index, paused).await?;
        let Self { clients, services, .. } = self;
        let workload = &mut services[index].workload;
        let unanswered = workload.read_back(clients).await?;
        let expected = usize::from(point == Point::Written);
        check(unanswered.is_none_or(|unanswered| unanswered == expected), || {
            format!("{unanswered:?} commands took effect without a response")
        })?;
        let response = send_with_retries(|| workload.command(clients)).await;
        workload.acknowledge(&response)?;
        self.consumer
            .read_until(OVERDUE, |consumer| workload.has_all_events_in(consumer))
            .await;
        workload.verify(&self.consumer)?;
        self.consumer.verify()
    }

    /// Kills a service, resumes the paused broker, if any, and restarts the service.
    async fn restart(&mut self, index: usize, paused: Option<PausedBroker>) -> Result<(), String> {
        let ServiceUnderTest {
            store,
            process,
            workload,
        } = &mut self.services[index];
        process.take().expect("a process").kill();
        drop(paused);
        // Loses the bytes that are held back, as a crash of the machine would.
        store.proxy.reset();
        store.proxy.restore().map_err(|error| error.to_string())?;
        *process = Some(start(&self.setup, workload, store).await);
        Ok(())
    }

    /// Brings the service to the point. Returns the broker if the point requires that it stays paused.
    async fn reach(&mut self, index: usize, point: Point) -> Result<Option<PausedBroker>, String> {
        let ServiceUnderTest { store, workload, .. } = &mut self.services[index];
        if let Workload::ContactAdditions(contacts) = workload {
            contacts.make_room();
        }
        point.intercept(store, workload.marker());
        if point.is_acknowledged() {
            let response = send_with_retries(|| workload.command(&self.clients)).await;
            workload.acknowledge(&response)?;
        } else {
            // The service is killed before it responds.
            tokio::spawn(workload.command(&self.clients).try_send());
        }
        match point {
            Point::Committed => {}
            Point::Published => {
                let has_all_events_in = |consumer: &Consumer| workload.has_all_events_in(consumer);
                let has_arrived = self.consumer.read_until(OVERDUE, has_all_events_in).await;
                check(has_arrived, || "the event did not arrive".to_owned())?;
            }
            _ => {
                let reached = timeout(OVERDUE, store.proxy.wait_until_intercepted()).await;
                check(reached.is_ok(), || "the service did not reach it".to_owned())?;
            }
        }
        let Some(broker) = self.broker.filter(|_| point == Point::Sent) else {
            return Ok(None);
        };
        let paused = broker.pause();
        store.proxy.restore().map_err(|error| error.to_string())?;
        sleep(SEND_WINDOW).await;
        Ok(Some(paused))
    }
}

async fn start(setup: &Setup, workload: &Workload, store: &ProxiedStore) -> Process {
    let options = Options::default().mongodb_uri(&store.uri).setting("relay.lease", LEASE);
    setup.start(workload.service(), options).await
}
