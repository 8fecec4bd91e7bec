//! C7: a relay is paused while it publishes, until its lease has expired, and resumes after another one took over.

use std::time::Duration;

use end_to_end::{Caller, Direction, Flow, Options, Process, ProxiedStore, Servers, Service};

use crate::Outcome;
use crate::consumer::Consumer;
use crate::setup::{Clients, Setup, send_with_retries};
use crate::summary::{Summary, check, finish, rounds};
use crate::workloads::{LockChanges, Workload};

const PAUSES: usize = 1;

const LEASE: &str = "2s";

/// Events that wait for the relay: too many to be published before it is paused.
const WAITING: usize = 120;

/// Events during the pause, and after it.
const LATER: usize = 5;

/// A text that only the relay sends to the store.
const RELAY: &str = "leaseUntil";

/// The time limit of a step, which is more than any step takes.
const OVERDUE: Duration = Duration::from_mins(1);

struct Trial {
    setup: Setup,
    clients: Clients,
    /// The store of the service that is paused.
    store: ProxiedStore,
    paused: Process,
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
        paused: setup.start(Service::CredentialLock, options).await,
        store,
        workload: Workload::LockChanges(LockChanges::new(&users[0])),
        consumer: Consumer::new(&servers.kafka_brokers, &users),
        setup,
    };
    let mut summary = Summary::new("c7");
    for _ in 0..rounds(PAUSES) {
        let outcome = trial.pause().await;
        summary.add(outcome);
    }
    finish(vec![summary])
}

impl Trial {
    async fn pause(&mut self) -> Result<(), String> {
        let before = self.consumer.total();
        let repeated = self.consumer.repeated();
        self.store.proxy.intercept(RELAY, Direction::ToServer, Flow::Hold);
        self.send_commands(WAITING).await?;
        self.store.proxy.pass().map_err(|error| error.to_string())?;
        let has_begun = self
            .consumer
            .read_until(OVERDUE, |consumer| consumer.total() > before)
            .await;
        self.paused.pause();
        check(has_begun, || "the relay publishes nothing".to_owned())?;
        let published = self.consumer.total() - before;

        let other = self.start_replica().await;
        let nowhere = String::new;
        let at_replica = self.clients.at(Caller::new(nowhere(), nowhere(), other.base_url()));
        let original = std::mem::replace(&mut self.clients, at_replica);
        let sent = self.send_commands(LATER).await;
        self.clients = original;
        sent?;
        self.await_all_events("the other relay did not take over").await?;

        self.paused.resume();
        other.terminate().await;
        // The resumed relay publishes these after the events that it had claimed before the pause.
        self.send_commands(LATER).await?;
        self.await_all_events("the relay did not continue").await?;
        let repeated = self.consumer.repeated() - repeated;
        println!("c7: paused after about {published} of {WAITING} events; {repeated} were repeated");
        check(repeated > published, || {
            "it was paused too late to repeat an event".to_owned()
        })?;
        self.workload.verify(&self.consumer)?;
        self.consumer.verify()
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
