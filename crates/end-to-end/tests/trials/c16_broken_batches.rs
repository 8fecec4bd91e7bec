//! C16: a batch of rotations fails in part. The server rejects some of its statements, steps down during the command or
//! gets no majority for it, a shard is unreachable, or the connection closes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end::{Caller, Options, Request, Response, Servers, Service};
use serde_json::json;
use test_servers::mongodb_proxy::bson::{Bson, Document, doc};
use test_servers::mongodb_proxy::{Command, MongodbProxy, Reaction, Server, resolve_host, via_proxy};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::setup::{Clients, Setup, send_with_retries};
use crate::summary::{Summary, check, finish, rounds};

const ROUNDS: usize = 1;

/// The number of sessions that are renewed at the same time.
const SESSIONS: usize = 24;

/// One in this many sessions is rejected, or is on the unreachable shard.
const ONE_IN: usize = 3;

/// The duration of a command of rotations. The rotations that arrive in this time become one batch.
const COMMAND_DURATION: Duration = Duration::from_millis(40);

const FAMILIES: &str = "refresh_families";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Some statements get `writeErrors`.
    Rejected,
    /// Reads and statements about a family of one shard fail.
    ShardUnreachable,
    /// One command of several statements takes effect and gets this `writeConcernError`.
    NotAcknowledged(i32),
    /// The connection closes before one command of several statements, or after the command took effect.
    ConnectionClosed { is_applied: bool },
    /// Half of the statements of one command take effect, then the server steps down.
    NotWritablePrimary,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => f.write_str("rejected statements"),
            Self::ShardUnreachable => f.write_str("shard unreachable"),
            Self::NotAcknowledged(code) => write!(f, "not acknowledged {code}"),
            Self::ConnectionClosed { is_applied: false } => f.write_str("connection closed before"),
            Self::ConnectionClosed { is_applied: true } => f.write_str("connection closed after"),
            Self::NotWritablePrimary => f.write_str("stepped down"),
        }
    }
}

const FAULTS: [Fault; 9] = [
    Fault::Rejected,
    Fault::ShardUnreachable,
    // WriteConcernTimeout, ShutdownInProgress, PrimarySteppedDown, InterruptedDueToReplStateChange.
    Fault::NotAcknowledged(64),
    Fault::NotAcknowledged(91),
    Fault::NotAcknowledged(189),
    Fault::NotAcknowledged(11_602),
    Fault::ConnectionClosed { is_applied: false },
    Fault::ConnectionClosed { is_applied: true },
    Fault::NotWritablePrimary,
];

/// The families of a fault.
#[derive(Clone)]
struct FaultFamilies {
    /// The families that the fault affects if it does not affect a whole batch.
    chosen: Arc<BTreeSet<String>>,
    /// The families that the fault has affected so far.
    affected: Arc<Mutex<BTreeSet<String>>>,
}

struct Trial {
    proxy: MongodbProxy,
    server: Server,
    database: String,
    clients: Clients,
}

/// A renewal: its token and its response.
struct Renewal {
    token: String,
    response: Response,
}

pub(crate) async fn fail_only_the_affected_renewals(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let setup = Setup::new(&servers).await;
    let address = resolve_host(&servers.mongodb_uri)?;
    let proxy = MongodbProxy::in_front_of(address).await?;
    let options = Options::default().mongodb_uri(via_proxy(&servers.mongodb_uri, proxy.address()));
    let tokens = setup.start(Service::Tokens, options).await;
    let clients = setup.clients().await;
    let mut trial = Trial {
        clients: clients.at(Caller::new(tokens.base_url(), tokens.base_url(), tokens.base_url())),
        database: setup.installation.database().to_owned(),
        server: Server::connect(address).await?,
        proxy,
    };
    let users = setup.register_users(SESSIONS).await;
    let mut summaries: Vec<Summary> = FAULTS
        .iter()
        .map(|fault| Summary::new(format!("c16 {fault}")))
        .collect();
    for _ in 0..rounds {
        for (fault, summary) in FAULTS.into_iter().zip(&mut summaries) {
            trial.run_fault(fault, &users, summary).await?;
        }
    }
    finish(summaries)
}

impl Trial {
    async fn run_fault(&mut self, fault: Fault, users: &[String], summary: &mut Summary) -> std::io::Result<()> {
        let mut tokens = Vec::new();
        for user in users {
            let session = send_with_retries(|| self.clients.session_request(user, true))
                .await
                .expect_status(200);
            tokens.push(session.text("refreshToken"));
        }
        let families = FaultFamilies {
            chosen: Arc::new(tokens.iter().step_by(ONE_IN).map(|token| family_of(token)).collect()),
            affected: Arc::default(),
        };
        self.proxy.run_script(script(fault, families.clone()));
        let renewed = self.renew_all(tokens).await;
        self.proxy.forward_all();
        let affected = families.affected.lock().unwrap().clone();
        summary.add(check(!affected.is_empty(), || format!("{fault} affected no renewal")));
        let unavailable = renewed.iter().filter(|renewed| renewed.response.status == 503).count();
        println!(
            "c16 {fault}: {} of {SESSIONS} were affected, {unavailable} got 503",
            affected.len()
        );
        for renewed in &renewed {
            let outcome = self.verify(fault, renewed, &affected).await?;
            summary.add(outcome);
        }
        Ok(())
    }

    async fn renew_all(&self, tokens: Vec<String>) -> Vec<Renewal> {
        let mut renewing = JoinSet::new();
        for token in tokens {
            let request = self.renew(&token);
            renewing.spawn(async move {
                let response = request.send().await;
                Renewal { token, response }
            });
        }
        renewing.join_all().await
    }

    fn renew(&self, token: &str) -> Request {
        self.clients.caller.renew(&self.clients.portal, token, true)
    }

    /// Verifies that an unaffected renewal succeeded, and that every session has exactly one successor in the end.
    async fn verify(
        &mut self,
        fault: Fault,
        renewed: &Renewal,
        affected: &BTreeSet<String>,
    ) -> std::io::Result<Result<(), String>> {
        let Renewal { token, response } = renewed;
        let family = family_of(token);
        let may_fail = affected.contains(&family);
        let must_fail = may_fail && matches!(fault, Fault::Rejected | Fault::ShardUnreachable);
        let is_right = match response.status {
            200 => !must_fail,
            503 => may_fail,
            _ => false,
        };
        // Within the grace period the same token returns the same successor again.
        let again = send_with_retries(|| self.renew(token)).await;
        let generation = self.generation(&family).await?;
        let successor = |response: &Response| (response.status == 200).then(|| response.text("refreshToken"));
        let (first, second) = (successor(response), successor(&again));
        let is_active = match &second {
            Some(token) => self.is_active(token).await,
            None => false,
        };
        Ok(check(is_right, || {
            format!("{fault}: returned {} {}", response.status, response.body)
        })
        .and_then(|()| {
            check(second.is_some(), || {
                format!("{fault}: lost: {} {}", again.status, again.body)
            })
        })
        .and_then(|()| {
            check(first.is_none() || first == second, || {
                format!("{fault}: another successor")
            })
        })
        .and_then(|()| check(generation == Some(2), || format!("{fault}: generation {generation:?}")))
        .and_then(|()| check(is_active, || format!("{fault}: the successor is not active"))))
    }

    async fn generation(&mut self, family: &str) -> std::io::Result<Option<i64>> {
        let find = doc! { "find": FAMILIES, "filter": { "_id": family }, "$db": &self.database };
        let response = self.server.run(&find).await?;
        let found = response
            .get_document("cursor")
            .and_then(|cursor| cursor.get_array("firstBatch"));
        let family = found.ok().and_then(|found| found.first()).and_then(Bson::as_document);
        Ok(family.and_then(|family| family.get_i64("generation").ok()))
    }

    async fn is_active(&self, token: &str) -> bool {
        let introspect = || {
            let request = self
                .clients
                .caller
                .request(Service::Tokens, "POST", "/tokens/introspect", &[]);
            request.bearer(&self.clients.portal).json(&json!({"token": token}))
        };
        send_with_retries(introspect).await.expect_status(200).json()["active"] == true
    }
}

/// Returns the family of a refresh token.
fn family_of(token: &str) -> String {
    let content = token.strip_prefix("rt_").and_then(|content| content.split('.').next());
    content.expect("a refresh token").to_owned()
}

fn script(fault: Fault, fault_families: FaultFamilies) -> impl Fn(&Command) -> Reaction + Send + Sync + 'static {
    move |command| {
        if command.collection() != Some(FAMILIES) {
            return Reaction::Pass;
        }
        match command.name() {
            "update" => reaction(fault, command, &fault_families).later(COMMAND_DURATION),
            "find" if fault == Fault::ShardUnreachable => {
                let text = command.document().to_string();
                let unreachable = fault_families.chosen.iter().filter(|family| text.contains(*family));
                let unreachable: Vec<_> = unreachable.cloned().collect();
                if unreachable.is_empty() {
                    return Reaction::Pass;
                }
                fault_families.affected.lock().unwrap().extend(unreachable);
                Reaction::Answer(command_error(133, "FailedToSatisfyReadPreference"))
            }
            _ => Reaction::Pass,
        }
    }
}

/// Returns the reaction to a command of rotations.
fn reaction(fault: Fault, command: &Command, fault_families: &FaultFamilies) -> Reaction {
    let families: Vec<String> = updates(command).filter_map(family_of_update).collect();
    let mut affected = fault_families.affected.lock().unwrap();
    match fault {
        Fault::Rejected | Fault::ShardUnreachable => {
            let is_rejected = |family: &String| fault_families.chosen.contains(family);
            let indices: Vec<usize> = (0..families.len())
                .filter(|index| is_rejected(&families[*index]))
                .collect();
            affected.extend(indices.iter().map(|index| families[*index].clone()));
            rejection_reaction(command, &indices)
        }
        // Only one command of several statements is affected.
        _ if families.len() < 2 || !affected.is_empty() => Reaction::Pass,
        _ => {
            affected.extend(families);
            batch_fault_reaction(fault, command)
        }
    }
}

/// Returns the reaction that applies the fault to the whole batch.
fn batch_fault_reaction(fault: Fault, command: &Command) -> Reaction {
    match fault {
        Fault::NotAcknowledged(code) => Reaction::change_reply(command, move |response| {
            let error = doc! { "code": code, "codeName": "Scripted", "errmsg": "no majority" };
            response.insert("writeConcernError", error);
        }),
        Fault::ConnectionClosed { is_applied: true } => Reaction::lose_reply(command),
        Fault::NotWritablePrimary => {
            let half = with_updates(command, updates(command).take(updates(command).count() / 2));
            let stepped_down = |_| Reaction::Answer(command_error(10_107, "NotWritablePrimary"));
            Reaction::Send(half, Box::new(stepped_down))
        }
        Fault::ConnectionClosed { is_applied: false } | Fault::Rejected | Fault::ShardUnreachable => Reaction::Reset,
    }
}

/// Returns the reaction that rejects the statements at these indices and lets the others take effect.
fn rejection_reaction(command: &Command, indices: &[usize]) -> Reaction {
    let errors: Vec<Document> = indices
        .iter()
        .map(|index| doc! { "index": i32::try_from(*index).unwrap(), "code": 121, "errmsg": "refused" })
        .collect();
    let others: Vec<_> = updates(command)
        .enumerate()
        .filter(|(index, _)| !indices.contains(index))
        .map(|(_, update)| update)
        .collect();
    if errors.is_empty() {
        return Reaction::Pass;
    }
    if others.is_empty() {
        return Reaction::Answer(doc! { "ok": 1, "n": 0, "nModified": 0, "writeErrors": errors });
    }
    let then = move |mut response: Document| {
        response.insert("writeErrors", errors);
        Reaction::Answer(response)
    };
    Reaction::Send(with_updates(command, others.into_iter()), Box::new(then))
}

fn command_error(code: i32, name: &str) -> Document {
    doc! { "ok": 0, "code": code, "codeName": name, "errmsg": "scripted" }
}

fn updates(command: &Command) -> impl Iterator<Item = &Document> {
    let updates = command.document().get_array("updates").into_iter().flatten();
    updates.filter_map(Bson::as_document)
}

fn family_of_update(update: &Document) -> Option<String> {
    let id = update.get_document("q").ok()?.get_str("_id").ok()?;
    Some(id.to_owned())
}

fn with_updates<'a>(command: &Command, updates: impl Iterator<Item = &'a Document>) -> Document {
    let mut command = command.document().clone();
    command.insert("updates", updates.cloned().collect::<Vec<_>>());
    command
}
