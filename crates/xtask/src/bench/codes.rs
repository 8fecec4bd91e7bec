//! S5: how many right codes are validated in a second, each an attempt counted and an answer stored.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::connection::{Answer, Connection, request};
use super::figures::{Figures, Promise, median, percentile};
use super::load::{self, Asker, Outcome, WARM_UP};
use super::population::{self, BASE, Clients, Session, UserIds, contacts_path};
use super::process::{Data, Server};
use super::programs::Programs;
use super::steady::CONNECTIONS;

/// Users of each connection, and what each has beside the main contact.
const USERS: usize = 20;
const CONTACTS: usize = 10;

const ROUNDS: usize = 3;

/// Wrong codes, and as many unknown challenges.
const PAIRS: usize = 3_000;

/// Longer than any round takes.
const LONG: Duration = Duration::from_mins(10);

/// Nobody is sent so many codes; the cost of one is the same.
const SETTINGS: [(&str, &str); 5] = [
    ("AUTHME__CODES__SENDS_PER_DESTINATION", "1000000"),
    ("AUTHME__CODES__SENDS_PER_USER", "1000000"),
    ("AUTHME__CODES__ATTEMPTS_PER_CHALLENGE", "1000000"),
    ("AUTHME__CODES__ATTEMPTS_PER_CONTACT", "1000000"),
    ("AUTHME__CODES__ATTEMPTS_PER_USER", "1000000"),
];

/// A contact, and the code that it was sent.
struct Sent {
    bearer: String,
    contact: String,
    challenge: String,
    code: String,
}

pub(crate) fn measure(programs: &Programs, figures: &mut Figures) -> anyhow::Result<()> {
    let data = Data::new(&programs.authme)?;
    let clients = Clients::register(&data)?;
    let users = CONNECTIONS * USERS;
    population::import(&data, UserIds::default(), 0..users)?;
    let server = data.serve_with(&SETTINGS)?;
    let sessions = (0..users)
        .map(|n| clients.session(&server, &population::email(n)))
        .collect::<anyhow::Result<Vec<Session>>>()?;
    add_contacts(&server, &sessions)?;
    let rounds = (0..ROUNDS).map(|_| round(&data, &server, &sessions));
    tell(&rounds.collect::<anyhow::Result<Vec<Outcome>>>()?, figures);
    tell_apart(&server, sessions.first().context("there are no users")?, figures)
}

/// Whether the time of an answer tells a wrong code from a challenge that is not there.
fn tell_apart(server: &Server, session: &Session, figures: &mut Figures) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.port)?;
    let path = format!("{}/{}/token", contacts_path(), contact_id(0));
    let answer = connection.ask("POST", &path, &session.user, "")?;
    let challenge = answer
        .json()?
        .get("challengeId")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let challenge = challenge.context("no challengeId")?;
    // No code has a letter, so each answer is wrong.
    let body = |challenge: &str| serde_json::json!({"challengeId": challenge, "token": "00000x"}).to_string();
    let kinds = [body(&challenge), body(&"0".repeat(32))];
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..PAIRS {
        // In turn, and each goes first as often as the other.
        for kind in [turn % 2, (turn + 1) % 2] {
            let (Some(body), Some(times)) = (kinds.get(kind), times.get_mut(kind)) else {
                continue;
            };
            let begun = Instant::now();
            let answer = connection.ask("POST", &format!("{path}/validate"), &session.user, body)?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            ensure!(answer.status == 422, "status {}", answer.status);
        }
    }
    let [wrong, unknown] = times;
    let middle = |times: &[f64]| median(times.iter().copied());
    let (first, second) = wrong.split_at(wrong.len() / 2);
    figures.tell(
        "S5 wrong",
        "median time of a wrong code, one connection",
        middle(&wrong),
        "us",
    );
    let what = "median time of an unknown challenge beyond that of a wrong code";
    figures.tell("S5 told apart", what, middle(&unknown) - middle(&wrong), "us");
    let what = "its noise: the same between the first and the second half of the wrong codes";
    figures.tell("S5 noise", what, (middle(first) - middle(second)).abs(), "us");
    Ok(())
}

fn tell(rounds: &[Outcome], figures: &mut Figures) {
    let latencies = rounds.iter().flat_map(|outcome| outcome.latencies.iter().copied());
    let p99 = percentile(&mut latencies.collect::<Vec<_>>(), 99);
    figures.tell("S5 p99", "99th percentile of a validation under that load", p99, "ms");
    let cpu = median(rounds.iter().map(Outcome::cpu_microseconds));
    figures.tell("S5 CPU", "server CPU of a validation", cpu, "us");
    let per_second = median(rounds.iter().map(Outcome::per_second));
    let what = format!(
        "right codes validated per second, {CONNECTIONS} connections, load on the same cores, {} codes a round",
        CONNECTIONS * USERS * CONTACTS
    );
    figures.promise("S5", what, per_second, (Promise::AtLeast(2_000.0), "1/s"));
}

fn contact_id(n: usize) -> String {
    format!("mobile-{n}")
}

fn add_contacts(server: &Server, sessions: &[Session]) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.port)?;
    for (user, session) in sessions.iter().enumerate() {
        let items: Vec<Value> = (0..CONTACTS)
            .map(|n| {
                let number = format!("9{:08}", user * CONTACTS + n);
                let mobile = serde_json::json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
                serde_json::json!({"id": contact_id(n), "contactType": "MOBILE", "mobile": mobile})
            })
            .collect();
        let body = serde_json::json!({"authenticationFactors": items}).to_string();
        let answer = connection.ask("POST", &contacts_path(), &session.user, &body)?;
        ensure!(answer.status == 201, "status {}", answer.status);
    }
    Ok(())
}

/// Sends a code to every contact, then validates each; only the second is measured.
fn round(data: &Data, server: &Server, sessions: &[Session]) -> anyhow::Result<Outcome> {
    let file = data.path("data/outgoing-codes.jsonl");
    let sent_before = fs::read_to_string(&file).map_or(0, |text| text.len());
    let mut challenges = Vec::new();
    let mut connection = Connection::open(server.port)?;
    for session in sessions {
        for n in 0..CONTACTS {
            let path = format!("{}/{}/token", contacts_path(), contact_id(n));
            let answer = connection.ask("POST", &path, &session.user, "")?;
            ensure!(answer.status == 201, "status {}", answer.status);
            let challenge = answer
                .json()?
                .get("challengeId")
                .and_then(Value::as_str)
                .map(str::to_owned);
            challenges.push((session, contact_id(n), challenge.context("no challengeId")?));
        }
    }
    let text = fs::read_to_string(&file)?;
    let mut codes = codes(text.get(sent_before..).unwrap_or_default())?;
    let mut askers: Vec<Validating> = (0..CONNECTIONS).map(|_| Validating::default()).collect();
    for (at, (session, contact, challenge)) in challenges.into_iter().enumerate() {
        let sent = Sent {
            bearer: session.user.clone(),
            code: codes.remove(&challenge).context("a code was not written")?,
            contact,
            challenge,
        };
        if let Some(asker) = askers.get_mut(at % CONNECTIONS) {
            asker.sent.push(sent);
        }
    }
    ensure!(USERS * CONTACTS > WARM_UP, "nothing is left after the warm-up");
    load::run(server, askers, LONG)
}

/// Codes by their challenge.
fn codes(lines: &str) -> anyhow::Result<HashMap<String, String>> {
    let mut codes = HashMap::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
        codes.insert(
            text("challengeId").context("no challengeId")?,
            text("code").context("no code")?,
        );
    }
    Ok(codes)
}

/// Validates each code once.
#[derive(Default)]
struct Validating {
    sent: Vec<Sent>,
}

impl Asker for Validating {
    fn ask(&mut self) -> String {
        let Some(Sent {
            bearer,
            contact,
            challenge,
            code,
        }) = self.sent.pop()
        else {
            return String::new();
        };
        let path = format!("{BASE}/user-identities/me/authentication-factors/{contact}/token/validate");
        let body = serde_json::json!({"challengeId": challenge, "token": code}).to_string();
        request("POST", &path, &bearer, &body)
    }

    fn answered(&mut self, answer: &Answer) -> anyhow::Result<()> {
        ensure!(answer.status == 204, "status {}", answer.status);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.sent.is_empty()
    }
}
