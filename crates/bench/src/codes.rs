//! S5: right codes validated per second. Each validation counts an attempt and stores its outcome.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use test_servers::authme::{DataFolder, Server};
use test_servers::http::{Connection, Response, request};

use crate::load::{self, LoadClient, LoadResult, WARM_UP};
use crate::population::{self, BASE, Clients, Session, UserIds, contacts_path};
use crate::programs::Programs;
use crate::results::{Promise, Results, median, percentile};
use crate::serve::serve;
use crate::steady::CONNECTIONS;

/// The number of users per connection, and of alternative contacts per user.
const USERS: usize = 20;
const CONTACTS: usize = 10;

const ROUNDS: usize = 3;

/// The number of wrong codes, and of unknown challenges.
const PAIRS: usize = 3_000;

/// A time limit that a round never reaches, because it ends when its codes are used up.
const NO_TIME_LIMIT: Duration = Duration::from_mins(10);

/// Limits that the load never reaches. A check against a limit costs the same at any limit.
const SETTINGS: [(&str, &str); 7] = [
    ("AUTHME__CODES__SENDS_PER_DESTINATION", "1000000"),
    ("AUTHME__CODES__SENDS_PER_DESTINATION_A_DAY", "1000000"),
    ("AUTHME__CODES__SENDS_PER_USER", "1000000"),
    ("AUTHME__CODES__SENDS_PER_HOUR", "1000000"),
    ("AUTHME__CODES__ATTEMPTS_PER_CHALLENGE", "1000000"),
    ("AUTHME__CODES__ATTEMPTS_PER_CONTACT", "1000000"),
    ("AUTHME__CODES__ATTEMPTS_PER_USER", "1000000"),
];

/// A contact and the code that was sent to it.
struct SentCode {
    bearer: String,
    contact: String,
    challenge: String,
    code: String,
}

pub(crate) fn measure(programs: &Programs, results: &mut Results) -> anyhow::Result<()> {
    let data = DataFolder::new(&programs.authme)?;
    let clients = Clients::register(&data)?;
    let users = CONNECTIONS * USERS;
    population::import(&data, UserIds::default(), 0..users)?;
    let server = serve(&data, &SETTINGS)?;
    let sessions = (0..users)
        .map(|n| clients.start_session(&server, &population::email(n)))
        .collect::<anyhow::Result<Vec<Session>>>()?;
    add_contacts(&server, &sessions)?;
    let rounds = (0..ROUNDS).map(|_| run_round(&data, &server, &sessions));
    add_results(&rounds.collect::<anyhow::Result<Vec<LoadResult>>>()?, results);
    measure_timing_difference(&server, sessions.first().context("there are no users")?, results)
}

/// Measures whether the response time distinguishes a wrong code from an unknown challenge.
fn measure_timing_difference(server: &Server, session: &Session, results: &mut Results) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.port)?;
    let path = format!("{}/{}/token", contacts_path(), contact_id(0));
    let response = connection.send("POST", &path, &session.user, "")?;
    let challenge = response
        .json()?
        .get("challengeId")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let challenge = challenge.context("no challengeId")?;
    // A code has only digits, so this one is always wrong.
    let body = |challenge: &str| serde_json::json!({"challengeId": challenge, "token": "00000x"}).to_string();
    let kinds = [body(&challenge), body(&"0".repeat(32))];
    let mut times = [Vec::new(), Vec::new()];
    for pair in 0..PAIRS {
        // The two kinds alternate, and each goes first equally often.
        for kind in [pair % 2, (pair + 1) % 2] {
            let (Some(body), Some(times)) = (kinds.get(kind), times.get_mut(kind)) else {
                continue;
            };
            let begun = Instant::now();
            let response = connection.send("POST", &format!("{path}/validate"), &session.user, body)?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            response.expect_status(422)?;
        }
    }
    let [wrong, unknown] = times;
    let middle = |times: &[f64]| median(times.iter().copied());
    let (first, second) = wrong.split_at(wrong.len() / 2);
    results.add(
        "S5 wrong",
        "median time of a wrong code, one connection",
        middle(&wrong),
        "us",
    );
    let what = "median time of an unknown challenge minus median time of a wrong code";
    results.add("S5 difference", what, middle(&unknown) - middle(&wrong), "us");
    let what = "its noise: difference of the median times of the two halves of the wrong codes";
    results.add("S5 noise", what, (middle(first) - middle(second)).abs(), "us");
    Ok(())
}

fn add_results(rounds: &[LoadResult], results: &mut Results) {
    let latencies = rounds.iter().flat_map(|outcome| outcome.latencies.iter().copied());
    let p99 = percentile(&mut latencies.collect::<Vec<_>>(), 99);
    results.add("S5 p99", "99th percentile of a validation under that load", p99, "ms");
    let cpu = median(rounds.iter().map(LoadResult::cpu_microseconds));
    results.add("S5 CPU", "server CPU of a validation", cpu, "us");
    let per_second = median(rounds.iter().map(LoadResult::per_second));
    let what = format!(
        "right codes validated per second, {CONNECTIONS} connections, load on the same cores, {} codes a round",
        CONNECTIONS * USERS * CONTACTS
    );
    results.add_promised("S5", what, per_second, (Promise::AtLeast(2_000.0), "1/s"));
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
        let response = connection.send("POST", &contacts_path(), &session.user, &body)?;
        response.expect_status(201)?;
    }
    Ok(())
}

/// Sends a code to every contact, then validates each code. Measures only the validations.
fn run_round(data: &DataFolder, server: &Server, sessions: &[Session]) -> anyhow::Result<LoadResult> {
    let file = data.path("data/outgoing-codes.jsonl");
    let sent_before = fs::read_to_string(&file).map_or(0, |text| text.len());
    let mut challenges = Vec::new();
    let mut connection = Connection::open(server.port)?;
    for session in sessions {
        for n in 0..CONTACTS {
            let path = format!("{}/{}/token", contacts_path(), contact_id(n));
            let response = connection.send("POST", &path, &session.user, "")?;
            response.expect_status(201)?;
            let challenge = response
                .json()?
                .get("challengeId")
                .and_then(Value::as_str)
                .map(str::to_owned);
            challenges.push((session, contact_id(n), challenge.context("no challengeId")?));
        }
    }
    let text = fs::read_to_string(&file)?;
    let mut codes = parse_codes(text.get(sent_before..).unwrap_or_default())?;
    let mut clients: Vec<ValidationClient> = (0..CONNECTIONS).map(|_| ValidationClient::default()).collect();
    for (at, (session, contact, challenge)) in challenges.into_iter().enumerate() {
        let sent = SentCode {
            bearer: session.user.clone(),
            code: codes.remove(&challenge).context("a code was not written")?,
            contact,
            challenge,
        };
        if let Some(client) = clients.get_mut(at % CONNECTIONS) {
            client.sent.push(sent);
        }
    }
    ensure!(USERS * CONTACTS > WARM_UP, "the warm-up uses up every code");
    load::run(server, clients, NO_TIME_LIMIT)
}

/// Parses the file of sent codes. Returns each code by its challenge.
fn parse_codes(lines: &str) -> anyhow::Result<HashMap<String, String>> {
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
struct ValidationClient {
    sent: Vec<SentCode>,
}

impl LoadClient for ValidationClient {
    fn next_request(&mut self) -> String {
        let Some(SentCode {
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

    fn handle_response(&mut self, response: &Response) -> anyhow::Result<()> {
        response.expect_status(204)?;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.sent.is_empty()
    }
}
