//! C16: rotations are made together, and the command breaks: the server refuses some of its statements, steps down in the
//! midst of it, does not get a majority for it, or the connection goes. A shard may be away.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end::{Answer, Caller, Options, Request, Servers, Service};
use mongodb_proxy::bson::{Bson, Document, doc};
use mongodb_proxy::{Command, MongodbProxy, Reaction, Server, address_of, through};
use serde_json::json;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::stage::{Clients, Stage, patiently};
use crate::tally::{Tally, end, hold, rounds};

const ROUNDS: usize = 1;

/// Sessions that are renewed at the same time.
const SESSIONS: usize = 24;

/// One in so many sessions is refused, or lies on the shard that is away.
const ONE_IN: usize = 3;

/// A command of rotations takes so long: those that come meanwhile are made together.
const COMMAND_TAKES: Duration = Duration::from_millis(40);

const FAMILIES: &str = "refresh_families";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Some statements get `writeErrors`.
    Refused,
    /// Reads that touch a family of one shard fail, and so do statements about it.
    ShardAway,
    /// One command of several statements is carried out and gets this `writeConcernError`.
    NotAcknowledged(i32),
    /// The connection goes before one command of several statements, or after it was carried out.
    ConnectionClosed { is_done: bool },
    /// One command of several statements is carried out in half, and then the server is no primary any more.
    NotWritablePrimary,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused statements"),
            Self::ShardAway => f.write_str("shard away"),
            Self::NotAcknowledged(code) => write!(f, "not acknowledged {code}"),
            Self::ConnectionClosed { is_done: false } => f.write_str("connection closed before"),
            Self::ConnectionClosed { is_done: true } => f.write_str("connection closed after"),
            Self::NotWritablePrimary => f.write_str("stepped down"),
        }
    }
}

const FAULTS: [Fault; 9] = [
    Fault::Refused,
    Fault::ShardAway,
    // WriteConcernTimeout, ShutdownInProgress, PrimarySteppedDown, InterruptedDueToReplStateChange.
    Fault::NotAcknowledged(64),
    Fault::NotAcknowledged(91),
    Fault::NotAcknowledged(189),
    Fault::NotAcknowledged(11_602),
    Fault::ConnectionClosed { is_done: false },
    Fault::ConnectionClosed { is_done: true },
    Fault::NotWritablePrimary,
];

/// The families that a fault is about.
#[derive(Clone)]
struct Concerned {
    /// Those that are chosen for it.
    chosen: Arc<BTreeSet<String>>,
    /// Those that met it.
    met: Arc<Mutex<BTreeSet<String>>>,
}

struct Trial {
    proxy: MongodbProxy,
    server: Server,
    database: String,
    clients: Clients,
}

/// A renewal: its token, and what came of it.
struct Renewed {
    token: String,
    answer: Answer,
}

pub(crate) async fn fail_for_those_concerned_only(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let stage = Stage::new(&servers).await;
    let address = address_of(&servers.mongodb_uri)?;
    let proxy = MongodbProxy::before(address).await?;
    let options = Options::default().mongodb_uri(through(&servers.mongodb_uri, proxy.address()));
    let tokens = stage.start(Service::Tokens, options).await;
    let clients = stage.clients().await;
    let mut trial = Trial {
        clients: clients.at(Caller::new(tokens.base_url(), tokens.base_url(), tokens.base_url())),
        database: stage.installation.database().to_owned(),
        server: Server::connect(address).await?,
        proxy,
    };
    let users = stage.users(SESSIONS).await;
    let mut tallies: Vec<Tally> = FAULTS.iter().map(|fault| Tally::of(format!("c16 {fault}"))).collect();
    for _ in 0..rounds {
        for (fault, tally) in FAULTS.into_iter().zip(&mut tallies) {
            trial.suffer(fault, &users, tally).await?;
        }
    }
    end(tallies)
}

impl Trial {
    async fn suffer(&mut self, fault: Fault, users: &[String], tally: &mut Tally) -> std::io::Result<()> {
        let mut tokens = Vec::new();
        for user in users {
            let session = patiently(|| self.clients.session(user, true)).await.with_status(200);
            tokens.push(session.text("refreshToken"));
        }
        let concerned = Concerned {
            chosen: Arc::new(tokens.iter().step_by(ONE_IN).map(|token| family_of(token)).collect()),
            met: Arc::default(),
        };
        self.proxy.follow(script(fault, concerned.clone()));
        let renewed = self.renew_all(tokens).await;
        self.proxy.pass();
        let met = concerned.met.lock().unwrap().clone();
        tally.add(hold(!met.is_empty(), || format!("nobody met {fault}")));
        let unavailable = renewed.iter().filter(|renewed| renewed.answer.status == 503).count();
        println!("c16 {fault}: {} of {SESSIONS} met it, {unavailable} got 503", met.len());
        for renewed in &renewed {
            let outcome = self.judged(fault, renewed, &met).await?;
            tally.add(outcome);
        }
        Ok(())
    }

    async fn renew_all(&self, tokens: Vec<String>) -> Vec<Renewed> {
        let mut renewing = JoinSet::new();
        for token in tokens {
            let request = self.renew(&token);
            renewing.spawn(async move {
                let answer = request.answer().await;
                Renewed { token, answer }
            });
        }
        renewing.join_all().await
    }

    fn renew(&self, token: &str) -> Request {
        self.clients.caller.renew(&self.clients.portal, token, true)
    }

    /// Whoever was not concerned is answered, and everybody has the one successor in the end.
    async fn judged(
        &mut self,
        fault: Fault,
        renewed: &Renewed,
        met: &BTreeSet<String>,
    ) -> std::io::Result<Result<(), String>> {
        let Renewed { token, answer } = renewed;
        let family = family_of(token);
        let may_fail = met.contains(&family);
        let must_fail = may_fail && matches!(fault, Fault::Refused | Fault::ShardAway);
        let is_right = match answer.status {
            200 => !must_fail,
            503 => may_fail,
            _ => false,
        };
        // Inside the grace time the same token gets the same successor again.
        let again = patiently(|| self.renew(token)).await;
        let generation = self.generation(&family).await?;
        let successor = |answer: &Answer| (answer.status == 200).then(|| answer.text("refreshToken"));
        let (first, second) = (successor(answer), successor(&again));
        let is_active = match &second {
            Some(token) => self.is_active(token).await,
            None => false,
        };
        Ok(hold(is_right, || {
            format!("{fault}: answered {} {}", answer.status, answer.body)
        })
        .and_then(|()| {
            hold(second.is_some(), || {
                format!("{fault}: lost: {} {}", again.status, again.body)
            })
        })
        .and_then(|()| {
            hold(first.is_none() || first == second, || {
                format!("{fault}: another successor")
            })
        })
        .and_then(|()| hold(generation == Some(2), || format!("{fault}: generation {generation:?}")))
        .and_then(|()| hold(is_active, || format!("{fault}: the successor is dead"))))
    }

    async fn generation(&mut self, family: &str) -> std::io::Result<Option<i64>> {
        let find = doc! { "find": FAMILIES, "filter": { "_id": family }, "$db": &self.database };
        let answer = self.server.run(&find).await?;
        let found = answer
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
        patiently(introspect).await.with_status(200).json()["active"] == true
    }
}

/// The family that a refresh token names.
fn family_of(token: &str) -> String {
    let content = token.strip_prefix("rt_").and_then(|content| content.split('.').next());
    content.expect("a refresh token").to_owned()
}

fn script(fault: Fault, concerned: Concerned) -> impl Fn(&Command) -> Reaction + Send + Sync + 'static {
    move |command| {
        if command.collection() != Some(FAMILIES) {
            return Reaction::Pass;
        }
        match command.name() {
            "update" => reaction(fault, command, &concerned).later(COMMAND_TAKES),
            "find" if fault == Fault::ShardAway => {
                let text = command.document().to_string();
                let away = concerned.chosen.iter().filter(|family| text.contains(*family));
                let away: Vec<_> = away.cloned().collect();
                if away.is_empty() {
                    return Reaction::Pass;
                }
                concerned.met.lock().unwrap().extend(away);
                Reaction::Answer(refusal(133, "FailedToSatisfyReadPreference"))
            }
            _ => Reaction::Pass,
        }
    }
}

/// What becomes of a command of rotations.
fn reaction(fault: Fault, command: &Command, concerned: &Concerned) -> Reaction {
    let families: Vec<String> = updates(command).filter_map(family_of_update).collect();
    let mut met = concerned.met.lock().unwrap();
    match fault {
        Fault::Refused | Fault::ShardAway => {
            let refused = |family: &String| concerned.chosen.contains(family);
            let places: Vec<usize> = (0..families.len()).filter(|place| refused(&families[*place])).collect();
            met.extend(places.iter().map(|place| families[*place].clone()));
            refusing(command, &places)
        }
        // One command of several statements meets it; all before and after it pass.
        _ if families.len() < 2 || !met.is_empty() => Reaction::Pass,
        _ => {
            met.extend(families);
            breaking(fault, command)
        }
    }
}

fn breaking(fault: Fault, command: &Command) -> Reaction {
    match fault {
        Fault::NotAcknowledged(code) => Reaction::changing(command, move |answer| {
            let error = doc! { "code": code, "codeName": "Scripted", "errmsg": "no majority" };
            answer.insert("writeConcernError", error);
        }),
        Fault::ConnectionClosed { is_done: true } => Reaction::losing_the_answer(command),
        Fault::NotWritablePrimary => {
            let half = with_updates(command, updates(command).take(updates(command).count() / 2));
            let stepped_down = |_| Reaction::Answer(refusal(10_107, "NotWritablePrimary"));
            Reaction::Send(half, Box::new(stepped_down))
        }
        Fault::ConnectionClosed { is_done: false } | Fault::Refused | Fault::ShardAway => Reaction::Cut,
    }
}

/// The statements at these places are refused, the others carried out.
fn refusing(command: &Command, places: &[usize]) -> Reaction {
    let errors: Vec<Document> = places
        .iter()
        .map(|place| doc! { "index": i32::try_from(*place).unwrap(), "code": 121, "errmsg": "refused" })
        .collect();
    let others: Vec<_> = updates(command)
        .enumerate()
        .filter(|(place, _)| !places.contains(place))
        .map(|(_, update)| update)
        .collect();
    if errors.is_empty() {
        return Reaction::Pass;
    }
    if others.is_empty() {
        return Reaction::Answer(doc! { "ok": 1, "n": 0, "nModified": 0, "writeErrors": errors });
    }
    let then = move |mut answer: Document| {
        answer.insert("writeErrors", errors);
        Reaction::Answer(answer)
    };
    Reaction::Send(with_updates(command, others.into_iter()), Box::new(then))
}

fn refusal(code: i32, name: &str) -> Document {
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
