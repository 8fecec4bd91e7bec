//! S1, S3 and S8: what a renewal and a look at one's contacts cost in a steady state, and what memory it takes.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::ensure;

use super::figures::{Figures, Promise, percentile};
use super::load::{self, Outcome};
use super::population::{self, Clients, Getting, Renewing, Session, contacts_path};
use super::process::{Data, Server, free_port};
use super::{Programs, number};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 64;

/// The load is measured this often, between readings of the reference lines, and the median is told.
const ROUNDS: usize = 5;

pub(crate) fn measure(programs: &Programs, seconds: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let data = Data::new(&programs.authme)?;
    let clients = Clients::register(&data)?;
    population::import(&data, CONNECTIONS)?;
    let server = data.serve()?;
    std::thread::sleep(Duration::from_secs(2));
    figures.promise(
        "S8 idle",
        "resident memory of authme serve, idle",
        server.resident()?,
        (Promise::AtMost(25.0), "MB"),
    );
    let mut sessions = (0..CONNECTIONS)
        .map(|n| clients.session(&server, &population::email(n)))
        .collect::<anyhow::Result<Vec<Session>>>()?;
    let length = Duration::from_secs(seconds);
    let mut signature = vec![Reference::measure(programs)?];
    let mut renewals = Vec::new();
    for _ in 0..ROUNDS {
        renewals.push(renewal(&server, &mut sessions, length)?);
        signature.push(Reference::measure(programs)?);
    }
    tell_renewals(&renewals, &signature, figures);
    figures.tell(
        "S8 after load",
        "resident memory after those renewals",
        server.resident()?,
        "MB",
    );
    contacts(programs, &server, &sessions, length, figures)
}

/// The bare cost of one signature and one verification, in microseconds of CPU.
struct Reference {
    signature: f64,
    verification: f64,
}

impl Reference {
    /// On every core at once, as the load keeps them: a core whose neighbour rests is faster than any under load.
    fn measure(programs: &Programs) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |_| {
            Command::new(&programs.bare_operations)
                .arg("2")
                .stdout(Stdio::piped())
                .spawn()
        };
        let running: Vec<Child> = (0..cores).map(start).collect::<Result<_, _>>()?;
        let measured: Vec<Self> = running.into_iter().map(Self::of).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            signature: median(measured.iter().map(|one| one.signature)),
            verification: median(measured.iter().map(|one| one.verification)),
        })
    }

    fn of(running: Child) -> anyhow::Result<Self> {
        let output = running.wait_with_output()?;
        ensure!(output.status.success(), "the reference could not be measured");
        let object = serde_json::from_slice(&output.stdout)?;
        let each =
            |count: &str, cpu: &str| Ok::<_, anyhow::Error>(number(&object, cpu)? / number(&object, count)? / 1e3);
        Ok(Self {
            signature: each("signatures", "signing_cpu_ns")?,
            verification: each("verifications", "verifying_cpu_ns")?,
        })
    }
}

/// The mean of the middle: of two values their mean.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let upper = percentile(&mut values, 50);
    match values.len() {
        even if even > 0 && even % 2 == 0 => values
            .get(even / 2 - 1)
            .map_or(upper, |lower| f64::midpoint(*lower, upper)),
        _ => upper,
    }
}

fn renewal(server: &Server, sessions: &mut [Session], length: Duration) -> anyhow::Result<Outcome> {
    load::run(
        server,
        sessions
            .iter_mut()
            .map(|session| Renewing(std::slice::from_mut(session), 0))
            .collect(),
        length,
    )
}

fn tell_renewals(renewals: &[Outcome], references: &[Reference], figures: &mut Figures) {
    let signature = median(references.iter().map(|reference| reference.signature));
    let verification = median(references.iter().map(|reference| reference.verification));
    figures.tell(
        "R",
        "CPU of one bare RS512-2048 signature, every core signing",
        signature,
        "us",
    );
    figures.tell(
        "R per second",
        "bare signatures per second of one core",
        1e6 / signature,
        "1/s",
    );
    figures.tell("V", "CPU of one bare verification", verification, "us");
    let cpu = median(renewals.iter().map(Outcome::cpu_microseconds));
    figures.tell("renewal CPU", "server CPU of one renewal by refresh token", cpu, "us");
    figures.tell(
        "renewals",
        "renewals per second, 64 connections, load on the same cores",
        median(renewals.iter().map(Outcome::per_second)),
        "1/s",
    );
    let mut latencies: Vec<f64> = renewals
        .iter()
        .flat_map(|outcome| outcome.latencies.iter().copied())
        .collect();
    figures.tell(
        "renewal p50",
        "median time of a renewal under that load",
        percentile(&mut latencies, 50),
        "ms",
    );
    figures.tell(
        "renewal p99",
        "99th percentile of the same",
        percentile(&mut latencies, 99),
        "ms",
    );
    let what = "server CPU of a renewal over CPU of one bare signature";
    figures.promise("S1", what, cpu / signature, (Promise::AtMost(1.5), "ratio"));
}

fn contacts(
    programs: &Programs,
    server: &Server,
    sessions: &[Session],
    length: Duration,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let port = free_port()?;
    let mut command = Command::new(&programs.constant_handler);
    command.arg(format!("127.0.0.1:{port}"));
    let constant = Server::start(command, port, (port, "/constant"))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(get(&constant, "/constant", sessions, length / 2)?);
        ours.push(get(server, &contacts_path(), sessions, length / 2)?);
    }
    let bare = median(theirs.iter().map(Outcome::per_second));
    let own = median(ours.iter().map(Outcome::per_second));
    figures.tell(
        "H",
        "requests per second of a handler that returns a constant",
        bare,
        "1/s",
    );
    figures.tell(
        "H CPU",
        "server CPU of one of those",
        median(theirs.iter().map(Outcome::cpu_microseconds)),
        "us",
    );
    figures.tell("contacts", "own contacts, requests per second", own, "1/s");
    figures.tell(
        "contacts CPU",
        "server CPU of one of those",
        median(ours.iter().map(Outcome::cpu_microseconds)),
        "us",
    );
    figures.promise(
        "S3",
        "own contacts per second over H",
        own / bare,
        (Promise::AtLeast(0.5), "ratio"),
    );
    Ok(())
}

fn get(server: &Server, path: &str, sessions: &[Session], length: Duration) -> anyhow::Result<Outcome> {
    let getting = sessions
        .iter()
        .map(|session| Getting(path, std::slice::from_ref(session), 0));
    load::run(server, getting.collect(), length)
}
