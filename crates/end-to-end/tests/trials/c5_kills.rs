//! C5: `kill -9` between the commit of a command and the publishing of its event.
//!
//! The moment of a kill is not left to chance: the way to the store holds back what would come after it.

use std::time::Duration;

use end_to_end::{Direction, Flow, Options, Process, Servers, Store};
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::broker::{Broker, Paused};
use crate::consumer::Consumer;
use crate::stage::{Clients, Stage, patiently};
use crate::tally::{Tally, end, hold, rounds};
use crate::works::{Contacts, Sessions, Turns, Work};

/// Each point once.
const KILLS: usize = 7;

/// The claims of a dead relay end soon.
const LEASE: &str = "1s";

/// A command that does not come to its point says nothing; it is tried again so often.
const ATTEMPTS: usize = 2;

/// Everything here happens sooner.
const OVERDUE: Duration = Duration::from_secs(30);

/// A broker that stands still may have been sent the event after so long, or not yet.
const ON_ITS_WAY: Duration = Duration::from_millis(40);

/// What only the relay says, of the steps that it takes with an outbox.
const RELAY: &str = "leaseUntil";
const CLAIM: &str = "claim\0";
const SETTLE: &str = "$$event.sequence";

/// Where a service is when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The command is about to be written.
    Received,
    /// It is written; the service does not know.
    Written,
    /// It is acknowledged; the relay has not seen it.
    Committed,
    /// The relay has claimed it; it does not know.
    Claimed,
    /// The event was sent, or nearly; the broker has said nothing.
    Sent,
    /// A consumer has the event; the outbox still has it.
    Published,
    /// The outbox is empty; the relay does not know.
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

    /// Sees to it that the service comes to this point and no further; of what it sends, to the point before.
    fn arm(self, store: &Store, says: &str) {
        let (text, direction, flow) = match self {
            Self::Received => (says, Direction::ToServer, Flow::Hold),
            Self::Written => (says, Direction::ToClient, Flow::Hold),
            Self::Committed => (RELAY, Direction::ToServer, Flow::Hold),
            Self::Claimed | Self::Sent => (CLAIM, Direction::ToClient, Flow::Hold),
            Self::Published => (SETTLE, Direction::ToServer, Flow::Hold),
            Self::Settled => (SETTLE, Direction::ToClient, Flow::Hold),
        };
        store.proxy.trap(text, direction, flow);
    }
}

/// A service on its own way to the store, and its commands.
struct Line {
    store: Store,
    process: Option<Process>,
    work: Work,
}

struct Trial {
    stage: Stage,
    clients: Clients,
    broker: Option<Broker>,
    lines: Vec<Line>,
    consumer: Consumer,
}

pub(crate) async fn lose_no_event(servers: Servers) -> Outcome {
    let kills = rounds(KILLS);
    let mut trial = Trial::new(&servers, kills).await;
    let points: Vec<Point> = Point::ALL.into_iter().filter(|point| trial.can_reach(*point)).collect();
    let mut tallies: Vec<Tally> = points
        .iter()
        .map(|point| Tally::of(format!("c5 {point:?}").to_lowercase()))
        .collect();
    for number in 0..kills {
        let at = number % points.len();
        // Both numbers together go through every point of every service.
        let line = (number + number / points.len()) % trial.lines.len();
        let outcome = trial.kill(line, points[at]).await;
        tallies[at].add(outcome);
    }
    println!("c5: {kills} kills, {} events came again", trial.consumer.repeated());
    tallies.truncate(kills);
    end(tallies)
}

impl Trial {
    async fn new(servers: &Servers, kills: usize) -> Self {
        let stage = Stage::new(servers).await;
        // Two commands for each kill of a third of the kills, and eight contacts or more for a user.
        let users = stage.users(4 + kills / 10).await;
        let mut lines: Vec<Line> = Vec::new();
        let works = [
            Work::Sessions(Sessions::of(&users[0])),
            Work::Contacts(Contacts::of(users[2..].to_vec())),
            Work::Turns(Turns::of(&users[1])),
        ];
        for work in works {
            let store = Store::before(servers);
            let process = Some(start(&stage, &work, &store).await);
            lines.push(Line { store, process, work });
        }
        let broker = Broker::ours();
        if broker.is_none() {
            println!("c5: the broker is not ours to pause, so no service is killed while it sends");
        }
        Self {
            clients: stage.clients().await,
            stage,
            broker,
            lines,
            consumer: Consumer::of(&servers.kafka_brokers, &users),
        }
    }

    fn can_reach(&self, point: Point) -> bool {
        point != Point::Sent || self.broker.is_some()
    }

    /// Kills a service at a point of a command, starts it again, and looks whether everything is there.
    async fn kill(&mut self, line: usize, point: Point) -> Result<(), String> {
        let mut more = 0..ATTEMPTS;
        let paused = loop {
            match self.reach(line, point).await {
                Ok(paused) => break paused,
                Err(failure) if more.next().is_some() => {
                    println!("c5: {point:?} is tried again: {failure}");
                    self.restart(line, None).await?;
                    self.lines[line].work.look(&self.clients).await?;
                }
                Err(failure) => return Err(format!("the point was not reached: {failure}")),
            }
        };
        self.restart(line, paused).await?;
        let Self { clients, lines, .. } = self;
        let work = &mut lines[line].work;
        let unanswered = work.look(clients).await?;
        let happened = usize::from(point == Point::Written);
        hold(unanswered.is_none_or(|unanswered| unanswered == happened), || {
            format!("{unanswered:?} commands took effect without an answer")
        })?;
        let answer = patiently(|| work.command(clients)).await;
        work.acknowledge(&answer)?;
        self.consumer
            .hear_until(OVERDUE, |consumer| work.is_heard(consumer))
            .await;
        work.judge(&self.consumer)?;
        self.consumer.judge()
    }

    /// Kills a service and starts it again. A broker that stood still goes on once the service is dead.
    async fn restart(&mut self, line: usize, paused: Option<Paused>) -> Result<(), String> {
        let Line { store, process, work } = &mut self.lines[line];
        process.take().expect("a process").kill();
        drop(paused);
        // What is held back is lost, as with the process that said it or was to hear it.
        store.proxy.reset();
        store.proxy.pass().map_err(|error| error.to_string())?;
        *process = Some(start(&self.stage, work, store).await);
        Ok(())
    }

    /// Comes to the point, where a broker that stands still has to go on standing still.
    async fn reach(&mut self, line: usize, point: Point) -> Result<Option<Paused>, String> {
        let Line { store, work, .. } = &mut self.lines[line];
        if let Work::Contacts(contacts) = work {
            contacts.make_room();
        }
        point.arm(store, work.says());
        if point.is_acknowledged() {
            let answer = patiently(|| work.command(&self.clients)).await;
            work.acknowledge(&answer)?;
        } else {
            // Its end is the end of the service.
            tokio::spawn(work.command(&self.clients).attempt());
        }
        match point {
            Point::Committed => {}
            Point::Published => {
                let is_heard = |consumer: &Consumer| work.is_heard(consumer);
                let heard = self.consumer.hear_until(OVERDUE, is_heard).await;
                hold(heard, || "the event did not come".to_owned())?;
            }
            _ => {
                let trapped = timeout(OVERDUE, store.proxy.trapped()).await;
                hold(trapped.is_ok(), || "it did not come so far".to_owned())?;
            }
        }
        let Some(broker) = self.broker.filter(|_| point == Point::Sent) else {
            return Ok(None);
        };
        let paused = broker.pause();
        store.proxy.pass().map_err(|error| error.to_string())?;
        sleep(ON_ITS_WAY).await;
        Ok(Some(paused))
    }
}

async fn start(stage: &Stage, work: &Work, store: &Store) -> Process {
    let options = Options::default().mongodb_uri(&store.uri).setting("relay.lease", LEASE);
    stage.start(work.service(), options).await
}
