//! C7: a relay stands still beyond its lease while it publishes, and goes on after another took over.

use std::time::Duration;

use end_to_end::{Caller, Direction, Flow, Options, Process, Servers, Service, Store};

use crate::Outcome;
use crate::consumer::Consumer;
use crate::stage::{Clients, Stage, patiently};
use crate::tally::{Tally, end, hold, rounds};
use crate::works::{Turns, Work};

const PAUSES: usize = 1;

const LEASE: &str = "2s";

/// Events that wait for the relay that will stand still: so many that it cannot be through before it does.
const WAITING: usize = 120;

/// Events of the time while it stands still, and of after that.
const LATER: usize = 5;

/// What only the relay says.
const RELAY: &str = "leaseUntil";

/// Everything here happens sooner.
const OVERDUE: Duration = Duration::from_mins(1);

struct Trial {
    stage: Stage,
    clients: Clients,
    /// Of the one that will stand still.
    store: Store,
    paused: Process,
    work: Work,
    consumer: Consumer,
}

pub(crate) async fn changes_no_order(servers: Servers) -> Outcome {
    let stage = Stage::new(&servers).await;
    let users = stage.users(1).await;
    let _tokens = stage.start(Service::Tokens, Options::default()).await;
    let store = Store::before(&servers);
    let options = Options::default().mongodb_uri(&store.uri).setting("relay.lease", LEASE);
    let mut trial = Trial {
        clients: stage.clients().await,
        paused: stage.start(Service::CredentialLock, options).await,
        store,
        work: Work::Turns(Turns::of(&users[0])),
        consumer: Consumer::of(&servers.kafka_brokers, &users),
        stage,
    };
    let mut tally = Tally::of("c7");
    for _ in 0..rounds(PAUSES) {
        let outcome = trial.pause().await;
        tally.add(outcome);
    }
    end(vec![tally])
}

impl Trial {
    async fn pause(&mut self) -> Result<(), String> {
        let before = self.consumer.total();
        let repeated = self.consumer.repeated();
        self.store.proxy.trap(RELAY, Direction::ToServer, Flow::Hold);
        self.turn(WAITING).await?;
        self.store.proxy.pass().map_err(|error| error.to_string())?;
        let begins = self
            .consumer
            .hear_until(OVERDUE, |consumer| consumer.total() > before)
            .await;
        self.paused.pause();
        hold(begins, || "nothing is published".to_owned())?;
        let published = self.consumer.total() - before;

        let other = self.stand_in().await;
        let nowhere = String::new;
        let there = self.clients.at(Caller::new(nowhere(), nowhere(), other.base_url()));
        let here = std::mem::replace(&mut self.clients, there);
        let turned = self.turn(LATER).await;
        self.clients = here;
        turned?;
        self.hear_all("the other relay does not take over").await?;

        self.paused.resume();
        other.terminate().await;
        // Published by the one that stood still, after whatever it still had in its hands.
        self.turn(LATER).await?;
        self.hear_all("the relay does not go on").await?;
        let repeated = self.consumer.repeated() - repeated;
        println!("c7: paused after about {published} of {WAITING} events; {repeated} came again");
        hold(repeated > published, || "it stood still too late to do harm".to_owned())?;
        self.work.judge(&self.consumer)?;
        self.consumer.judge()
    }

    /// Another replica, on the straight way to the store.
    async fn stand_in(&self) -> Process {
        let options = Options::replica().setting("relay.lease", LEASE);
        self.stage.start(Service::CredentialLock, options).await
    }

    async fn turn(&mut self, times: usize) -> Result<(), String> {
        for _ in 0..times {
            let answer = patiently(|| self.work.command(&self.clients)).await;
            self.work.acknowledge(&answer)?;
        }
        Ok(())
    }

    async fn hear_all(&mut self, unless: &str) -> Result<(), String> {
        let work = &self.work;
        let heard = self
            .consumer
            .hear_until(OVERDUE, |consumer| work.is_heard(consumer))
            .await;
        hold(heard, || unless.to_owned())
    }
}
