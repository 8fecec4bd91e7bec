//! C7: a relay is paused while it publishes. Its lease expires and another relay takes over. Then it resumes.

use std::time::Duration;

use end_to_end::{Caller, Direction, Flow, Options, Process, ProxiedStore, Servers, Service};

use crate::Outcome;
use crate::consumer::Consumer;
use crate::setup::{Clients, Setup, send_with_retries};
use crate::summary::{Summary, check, finish, rounds};
use crate::workloads::{LockChanges, Workload};

/// The default number of pauses.
const PAUSES: usize = 1;

/// The maximum number of pauses until one interrupts the relay between publishing and settling.
const ATTEMPTS: usize = 5;

const LEASE: &str = "2s";

/// The number of events that wait for the relay, too many to publish before it is paused.
const WAITING: usize = 120;

/// The number of events during the pause, and after it.
const LATER: usize = 5;

/// A text that only the relay sends to the store: a comparison with null, in the search for outboxes.
const RELAY: &str = "\u{a}leaseUntil\0";

/// The time limit of a step, which is more than any step takes.
const OVERDUE: Duration = Duration::from_mins(1);

struct Trial {
    setup: Setup,
    clients: Clients,
    /// The store of the service that is paused.
    store: ProxiedStore,
    paused_service: Process,
    workload: Workload,
    consumer: Consumer,
}

pub(crate) async fn keeps_the_order(servers: Servers) -> Outcome {
    let setup = Setup::new(&servers).await;
    let users = setup.register_users(1).await;
    let _tokens = setup.start(Service::Tokens, Options::default()).await;
    let store = ProxiedStore::new(&servers);
    let options = Options::default().mongodb_uri(&store.uri).setting("relay.lease", LEASE);
    let mut trial = Trial {
        clients: setup.clients().await,
        paused_service: setup.start(Service::CredentialLock, options).await,
        store,
        workload: Workload::LockChanges(LockChanges::new(&users[0])),
        consumer: Consumer::new(&servers.kafka_brokers, &users),
        setup,
    };
    let mut summary = Summary::new("c7");
    for _ in 0..rounds(PAUSES) {
        summary.add(trial.run_rounds().await);
    }
    finish(vec![summary])
}

impl Trial {
    /// Pauses the relay until a pause makes it repeat events: one that falls between two claims proves nothing.
    async fn run_rounds(&mut self) -> Result<(), String> {
        for _ in 0..ATTEMPTS {
            if self.run_round().await? {
                return Ok(());
            }
        }
        Err("it was always paused too late to repeat an event".to_owned())
    }

    /// Pauses the relay once. Returns whether it repeated events.
    async fn run_round(&mut self) -> Result<bool, String> {
        let before = self.consumer.event_count();
        let repeated = self.consumer.repetitions();
        self.store.proxy.intercept(RELAY, Direction::ToServer, Flow::Hold);
        self.send_commands(WAITING).await?;
        self.store.proxy.restore().map_err(|error| error.to_string())?;
        let has_begun = self
            .consumer
            .read_until(OVERDUE, |consumer| consumer.event_count() > before)
            .await;
        self.paused_service.pause();
        check(has_begun, || "the relay publishes nothing".to_owned())?;
        let published = self.consumer.event_count() - before;

        let other = self.start_replica().await;
        let no_url = String::new;
        let at_replica = self.clients.at(Caller::new(no_url(), no_url(), other.base_url()));
        let original = std::mem::replace(&mut self.clients, at_replica);
        let sent = self.send_commands(LATER).await;
        self.clients = original;
        sent?;
        self.await_all_events("the other relay did not take over").await?;

        self.paused_service.resume();
        other.terminate().await;
        // The resumed relay publishes these after the events that it had claimed before the pause.
        self.send_commands(LATER).await?;
        self.await_all_events("the relay did not continue").await?;
        let repeated = self.consumer.repetitions() - repeated;
        println!("c7: paused after about {published} of {WAITING} events; {repeated} were repeated");
        self.workload.verify(&self.consumer)?;
        self.consumer.verify()?;
        Ok(repeated > published)
    }

    /// Starts a replica that reaches the store without the proxy.
    async fn start_replica(&self) -> Process {
        let options = Options::replica().setting("relay.lease", LEASE);
        self.setup.start(Service::CredentialLock, options).await
    }

    async fn send_commands(&mut self, times: usize) -> Result<(), String> {
        for _ in 0..times {
            let response = send_with_retries(|| self.workload.command(&self.clients)).await;
            self.workload.acknowledge(&response)?;
        }
        Ok(())
    }

    async fn await_all_events(&mut self, error: &str) -> Result<(), String> {
        let workload = &self.workload;
        let have_arrived = self
            .consumer
            .read_until(OVERDUE, |consumer| workload.has_all_events_in(consumer))
            .await;
        check(have_arrived, || error.to_owned())
    }
}
