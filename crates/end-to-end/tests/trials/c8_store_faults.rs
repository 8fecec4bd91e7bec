//! C8: the store is away, slow, half-open or breaks off its answers, under requests of every kind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use end_to_end::{Caller, Direction, Flow, Options, Servers, Store};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::Outcome;
use crate::askers::{Answered, Ask, Asked, Asker};
use crate::lag::Lag;
use crate::stage::{Clients, Stage};
use crate::tally::{Tally, end, hold, rounds};
use crate::works::{Contacts, Sessions, Turns, Work};

const ROUNDS: usize = 1;

/// A fault lasts so long: longer than a request may.
const FAULT: Duration = Duration::from_millis(3_500);

/// The promises.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
const RECOVERS_WITHIN: Duration = Duration::from_secs(5);

/// Whoever does not recover is not waited for any longer.
const OVERDUE: Duration = Duration::from_secs(15);

/// On the way there, and on the way back.
const SLOW: Duration = Duration::from_millis(300);

/// Bytes of a broken answer: not even its header is whole.
const BROKEN_AFTER: usize = 12;

/// What every command says, and no look at whether the server is there.
const COMMAND: &str = "lsid";

/// Askers of each kind of request. Together they can have more calls under way than the services have connections.
const OF_A_KIND: usize = 3;
const CONNECTIONS: &str = "16";

/// Those of an asker who adds contacts, in a round: each has room for nine.
const USERS: usize = 60;

/// Those that one asker of the other kinds is about.
const SINGLE_USERS: usize = 5;

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Connections are reset, and new ones refused.
    Away,
    Slow,
    /// Nothing arrives, either way.
    HalfOpen,
    /// Commands arrive, answers do not.
    Deaf,
    /// Every answer to a command breaks off.
    MidAnswer,
    /// Connections that carried a command carry nothing any more, for good.
    Lost,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::Away,
        Self::Slow,
        Self::HalfOpen,
        Self::Deaf,
        Self::MidAnswer,
        Self::Lost,
    ];

    async fn begin(self, store: &mut Store) {
        let proxy = &mut store.proxy;
        let both = |flow| {
            proxy.set(Direction::ToServer, flow);
            proxy.set(Direction::ToClient, flow);
        };
        match self {
            Self::Away => proxy.refuse().await,
            Self::Slow => both(Flow::Slow(SLOW)),
            Self::HalfOpen => both(Flow::Hold),
            Self::Deaf => proxy.set(Direction::ToClient, Flow::Hold),
            Self::Lost => proxy.trap(COMMAND, Direction::ToServer, Flow::Hold),
            Self::MidAnswer => proxy.trap(COMMAND, Direction::ToClient, Flow::Cut(BROKEN_AFTER)),
        }
    }
}

struct Trial {
    store: Store,
    lag: Lag,
    asked: UnboundedReceiver<Asked>,
    kinds: BTreeSet<&'static str>,
}

pub(crate) async fn are_told_in_time(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let stage = Stage::new(&servers).await;
    let store = Store::before(&servers);
    let disturbed = Options::default()
        .mongodb_uri(&store.uri)
        .setting("store.connections", CONNECTIONS);
    let _disturbed = stage.start_all(&disturbed).await;
    let straight = stage.start_all(&Options::replica()).await;
    let clients = stage.clients().await;
    let there = clients.at(Caller::new(
        straight.tokens.base_url(),
        straight.factors.base_url(),
        straight.credential_lock.base_url(),
    ));
    let askers = askers(&stage, &clients, &there, rounds).await;
    let (sender, asked) = unbounded_channel();
    let mut trial = Trial {
        store,
        lag: Lag::begin(),
        asked,
        kinds: askers.iter().map(|asker| asker.kind).collect(),
    };
    let mut asking = JoinSet::new();
    for asker in askers {
        asking.spawn(asker.run(sender.clone()));
    }
    let mut tallies: Vec<Tally> = Fault::ALL
        .iter()
        .map(|fault| Tally::of(format!("c8 {fault:?}").to_lowercase()))
        .collect();
    for _ in 0..rounds {
        for (fault, tally) in Fault::ALL.into_iter().zip(&mut tallies) {
            trial.suffer(fault, tally).await;
        }
    }
    drop(trial);
    asking.join_all().await;
    end(tallies)
}

impl Trial {
    async fn suffer(&mut self, fault: Fault, tally: &mut Tally) {
        let mut asked = Vec::new();
        let calm = self.recovered(Instant::now(), &mut asked).await;
        assert_eq!(
            calm.len(),
            self.kinds.len(),
            "only {calm:?} are answered before {fault:?}"
        );
        asked.clear();
        self.lag.take();

        fault.begin(&mut self.store).await;
        let ends = Instant::now() + FAULT;
        while let Ok(Some(more)) = timeout_at(ends, self.asked.recv()).await {
            asked.push(more);
        }
        match fault {
            Fault::Lost => self.store.proxy.abandon(),
            _ => self.store.proxy.pass().expect("the port is ours"),
        }
        let passed = Instant::now();
        let recovered = self.recovered(passed, &mut asked).await;
        let lag = self.lag.take();
        tell(fault, &asked, &recovered, lag);
        for asked in asked {
            tally.add(judged(asked, lag));
        }
        for kind in &self.kinds {
            let after = recovered.get(kind);
            let in_time = after.is_some_and(|after| *after <= RECOVERS_WITHIN + HOPS * lag);
            tally.add(hold(in_time, || format!("{kind} recovered after {after:?}")));
        }
    }

    /// Listens until there was a right answer of every kind since then; how long after it the first of each came.
    async fn recovered(&mut self, since: Instant, asked: &mut Vec<Asked>) -> BTreeMap<&'static str, Duration> {
        let mut first = BTreeMap::new();
        while first.len() < self.kinds.len() {
            let Ok(Some(one)) = timeout_at(since + OVERDUE, self.asked.recv()).await else {
                break;
            };
            if one.answered == Ok(Answered::Rightly) && one.answered_at > since {
                first.entry(one.kind).or_insert(one.answered_at - since);
            }
            asked.push(one);
        }
        first
    }
}

/// An answer passes through so many processes: this one, the service, the store, and the proxy in this one again. Each is as
/// late as the machine.
const HOPS: u32 = 4;

/// What the machine itself was late is not the service's.
fn judged(asked: Asked, lag: Duration) -> Result<(), String> {
    let Asked {
        kind, took, answered, ..
    } = asked;
    let answered = answered.map_err(|wrong| format!("{kind}: {wrong}"))?;
    hold(took <= ANSWERS_WITHIN + HOPS * lag, || {
        format!("{kind} was answered {answered:?} after {took:?}")
    })
}

fn tell(fault: Fault, asked: &[Asked], recovered: &BTreeMap<&'static str, Duration>, lag: Duration) {
    let right = asked
        .iter()
        .filter(|asked| asked.answered == Ok(Answered::Rightly))
        .count();
    let slowest = asked.iter().map(|asked| asked.took).max().unwrap_or_default();
    let last = recovered.values().max().copied().unwrap_or_default();
    println!(
        "c8 {fault:?}: {} requests, {right} answered rightly; the slowest took {slowest:.2?} of {ANSWERS_WITHIN:?}; the last \
         kind recovered after {last:.2?} of {RECOVERS_WITHIN:?}; the machine was late by {lag:.0?} at most",
        asked.len()
    );
}

/// Several for every kind of request, each with users of its own.
async fn askers(stage: &Stage, here: &Clients, there: &Clients, rounds: usize) -> Vec<Asker> {
    let mut askers = Vec::new();
    for _ in 0..OF_A_KIND {
        let users = stage.users(SINGLE_USERS + USERS * rounds).await;
        let asker = |(kind, ask)| Asker {
            kind,
            ask,
            here: here.clone(),
            there: there.clone(),
        };
        askers.extend(asks(there, users).await.map(asker));
    }
    askers
}

async fn asks(there: &Clients, mut users: Vec<String>) -> [(&'static str, Ask); 8] {
    let mut user = || users.pop().expect("users enough");
    let [handed, renewing, starting, turning, seen] = [(); SINGLE_USERS].map(|()| user());
    there.caller.lock(&there.desk, &seen).answer().await.with_status(204);
    let locked = there.get_lock(&seen).answer().await.with_status(200).json();
    let session = there.session(&renewing, true).answer().await.with_status(200);
    let bearer = session.text("accessToken");
    let listed = there
        .caller
        .own_contacts(&bearer)
        .answer()
        .await
        .with_status(200)
        .json();
    let token = session.text("refreshToken");
    [
        ("client login", Ask::ClientLogin),
        ("hand-off", Ask::IssuedValidationToken { user: handed }),
        ("renewal", Ask::Renewal { token }),
        ("session", Ask::Work(Work::Sessions(Sessions::of(&starting)))),
        ("own contacts", Ask::OwnContacts { bearer, shown: listed }),
        ("contact", Ask::Work(Work::Contacts(Contacts::of(users)))),
        ("lock", Ask::Work(Work::Turns(Turns::of(&turning)))),
        (
            "lock state",
            Ask::GetLock {
                user: seen,
                shown: locked,
            },
        ),
    ]
}
