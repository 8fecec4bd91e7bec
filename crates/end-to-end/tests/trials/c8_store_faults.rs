//! C8: the store is unreachable, is slow, hangs or cuts its replies short, under requests of every kind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use end_to_end::{Caller, Direction, Flow, Options, ProxiedStore, Servers};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::Outcome;
use crate::lag::Lag;
use crate::load_clients::{LoadClient, Operation, SentRequest, Verdict};
use crate::setup::{Clients, Setup};
use crate::summary::{Summary, check, finish, rounds};
use crate::workloads::{ContactAdditions, LockChanges, SessionStarts, Workload};

const ROUNDS: usize = 1;

/// The length of a fault, which is more than a request may take.
const FAULT: Duration = Duration::from_millis(3_500);

/// The promised time limits for a response and for the recovery.
const RESPONDS_WITHIN: Duration = Duration::from_secs(3);
const RECOVERS_WITHIN: Duration = Duration::from_secs(5);

/// The time after which the trial stops waiting for a recovery.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// The delay in each direction of a slow store.
const SLOW: Duration = Duration::from_millis(300);

/// The number of bytes of a reply before the cut, fewer than its header has.
const CUT_AFTER: usize = 12;

/// A text that occurs in every command. The messages by which the driver monitors the server do not have it.
const COMMAND: &str = "lsid";

/// The number of clients per kind of request. Together they can have more calls in flight than a service has
/// connections.
const CLIENTS_PER_KIND: usize = 3;
const CONNECTIONS: &str = "16";

/// The number of users per round of a client that adds contacts. Each user has room for nine contacts.
const CONTACT_USERS: usize = 60;

/// The number of users of the clients of the other kinds: one each.
const SINGLE_USERS: usize = 5;

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Connections are reset, and new ones are refused.
    Unreachable,
    Slow,
    /// Nothing arrives in either direction.
    Hang,
    /// Commands arrive, replies do not.
    NoReply,
    /// Every reply to a command is cut short.
    CutReply,
    /// Connections that carried a command hang, even after the fault.
    Lost,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::Unreachable,
        Self::Slow,
        Self::Hang,
        Self::NoReply,
        Self::CutReply,
        Self::Lost,
    ];

    async fn apply(self, store: &mut ProxiedStore) {
        let proxy = &mut store.proxy;
        let both = |flow| {
            proxy.set_flow(Direction::ToServer, flow);
            proxy.set_flow(Direction::ToClient, flow);
        };
        match self {
            Self::Unreachable => proxy.refuse().await,
            Self::Slow => both(Flow::Slow(SLOW)),
            Self::Hang => both(Flow::Hold),
            Self::NoReply => proxy.set_flow(Direction::ToClient, Flow::Hold),
            Self::Lost => proxy.intercept(COMMAND, Direction::ToServer, Flow::Hold),
            Self::CutReply => proxy.intercept(COMMAND, Direction::ToClient, Flow::Cut(CUT_AFTER)),
        }
    }
}

struct Trial {
    store: ProxiedStore,
    lag: Lag,
    sent: UnboundedReceiver<SentRequest>,
    kinds: BTreeSet<&'static str>,
}

pub(crate) async fn return_503_in_time(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let setup = Setup::new(&servers).await;
    let store = ProxiedStore::new(&servers);
    let disturbed = Options::default()
        .mongodb_uri(&store.uri)
        .setting("store.connections", CONNECTIONS);
    let _disturbed = setup.start_all(&disturbed).await;
    let undisturbed = setup.start_all(&Options::replica()).await;
    let clients = setup.clients().await;
    let there = clients.at(Caller::new(
        undisturbed.tokens.base_url(),
        undisturbed.factors.base_url(),
        undisturbed.credential_lock.base_url(),
    ));
    let load_clients = load_clients(&setup, &clients, &there, rounds).await;
    let (sender, sent) = unbounded_channel();
    let mut trial = Trial {
        store,
        lag: Lag::start(),
        sent,
        kinds: load_clients.iter().map(|load_client| load_client.kind).collect(),
    };
    let mut running = JoinSet::new();
    for load_client in load_clients {
        running.spawn(load_client.run(sender.clone()));
    }
    let mut summaries: Vec<Summary> = Fault::ALL
        .iter()
        .map(|fault| Summary::new(format!("c8 {fault:?}").to_lowercase()))
        .collect();
    for _ in 0..rounds {
        for (fault, summary) in Fault::ALL.into_iter().zip(&mut summaries) {
            trial.run_fault(fault, summary).await;
        }
    }
    drop(trial);
    running.join_all().await;
    finish(summaries)
}

impl Trial {
    async fn run_fault(&mut self, fault: Fault, summary: &mut Summary) {
        let mut sent = Vec::new();
        let recovered = self.await_recovery(Instant::now(), &mut sent).await;
        assert_eq!(
            recovered.len(),
            self.kinds.len(),
            "only {recovered:?} got a right response before {fault:?}"
        );
        sent.clear();
        self.lag.take();

        fault.apply(&mut self.store).await;
        let fault_end = Instant::now() + FAULT;
        while let Ok(Some(more)) = timeout_at(fault_end, self.sent.recv()).await {
            sent.push(more);
        }
        match fault {
            Fault::Lost => self.store.proxy.abandon_intercepted(),
            _ => self.store.proxy.restore().expect("the port is reserved"),
        }
        let restored_at = Instant::now();
        let recovered = self.await_recovery(restored_at, &mut sent).await;
        let lag = self.lag.take();
        print_results(fault, &sent, &recovered, lag);
        for sent in sent {
            summary.add(verify(sent, lag));
        }
        for kind in &self.kinds {
            let after = recovered.get(kind);
            let in_time = after.is_some_and(|after| *after <= RECOVERS_WITHIN + HOPS * lag);
            summary.add(check(in_time, || format!("{kind} recovered after {after:?}")));
        }
    }

    /// Waits until every kind of request has got a right response after `since`, or until the timeout. Returns how long
    /// after `since` each kind got its first one.
    async fn await_recovery(
        &mut self,
        since: Instant,
        sent: &mut Vec<SentRequest>,
    ) -> BTreeMap<&'static str, Duration> {
        let mut first = BTreeMap::new();
        while first.len() < self.kinds.len() {
            let Ok(Some(request)) = timeout_at(since + RECOVERY_TIMEOUT, self.sent.recv()).await else {
                break;
            };
            if request.verdict == Ok(Verdict::Right) && request.answered_at > since {
                first.entry(request.kind).or_insert(request.answered_at - since);
            }
            sent.push(request);
        }
        first
    }
}

/// The number of steps on the way of a response: the store, the proxy, the service and the client. A busy machine
/// delays each.
const HOPS: u32 = 4;

/// Verifies a response and its time. Allows for the delay of the machine itself.
fn verify(sent: SentRequest, lag: Duration) -> Result<(), String> {
    let SentRequest {
        kind,
        duration,
        verdict,
        ..
    } = sent;
    let verdict = verdict.map_err(|defect| format!("{kind}: {defect}"))?;
    check(duration <= RESPONDS_WITHIN + HOPS * lag, || {
        format!("{kind} got {verdict:?} after {duration:?}")
    })
}

fn print_results(fault: Fault, sent: &[SentRequest], recovered: &BTreeMap<&'static str, Duration>, lag: Duration) {
    let right = sent.iter().filter(|sent| sent.verdict == Ok(Verdict::Right)).count();
    let slowest = sent.iter().map(|sent| sent.duration).max().unwrap_or_default();
    let last = recovered.values().max().copied().unwrap_or_default();
    println!(
        "c8 {fault:?}: {} requests, {right} got a right response; the slowest took {slowest:.2?} of {RESPONDS_WITHIN:?}; the last \
         kind recovered after {last:.2?} of {RECOVERS_WITHIN:?}; the machine itself was up to {lag:.0?} late",
        sent.len()
    );
}

/// Returns the clients of every kind of request, each with users of its own.
async fn load_clients(setup: &Setup, here: &Clients, there: &Clients, rounds: usize) -> Vec<LoadClient> {
    let mut load_clients = Vec::new();
    for _ in 0..CLIENTS_PER_KIND {
        let users = setup.register_users(SINGLE_USERS + CONTACT_USERS * rounds).await;
        let load_client = |(kind, operation)| LoadClient {
            kind,
            operation,
            here: here.clone(),
            there: there.clone(),
        };
        load_clients.extend(operations(there, users).await.map(load_client));
    }
    load_clients
}

async fn operations(there: &Clients, mut users: Vec<String>) -> [(&'static str, Operation); 8] {
    let mut user = || users.pop().expect("enough users");
    let [logged_in, renewing, starting, changing, locked_user] = [(); SINGLE_USERS].map(|()| user());
    there
        .caller
        .lock(&there.desk, &locked_user)
        .send()
        .await
        .expect_status(204);
    let locked = there.get_lock(&locked_user).send().await.expect_status(200).json();
    let session = there.session_request(&renewing, true).send().await.expect_status(200);
    let bearer = session.text("accessToken");
    let listed = there
        .caller
        .own_contacts(&bearer)
        .send()
        .await
        .expect_status(200)
        .json();
    let token = session.text("refreshToken");
    [
        ("client login", Operation::ClientLogin),
        ("handle-auth", Operation::HandleAuth { user: logged_in }),
        ("renewal", Operation::Renewal { token }),
        (
            "session",
            Operation::Workload(Workload::SessionStarts(SessionStarts::new(&starting))),
        ),
        (
            "own contacts",
            Operation::OwnContacts {
                bearer,
                expected: listed,
            },
        ),
        (
            "contact",
            Operation::Workload(Workload::ContactAdditions(ContactAdditions::new(users))),
        ),
        (
            "lock",
            Operation::Workload(Workload::LockChanges(LockChanges::new(&changing))),
        ),
        (
            "lock state",
            Operation::GetLock {
                user: locked_user,
                expected: locked,
            },
        ),
    ]
}
