//! S1, S3 and S8: what a renewal and a look at one's contacts cost in a steady state, and what memory it takes.

use std::process::Command;
use std::time::Duration;

use super::figures::{Figures, Promise, median};
use super::load::{self, Outcome};
use super::population::{self, Clients, Getting, Session, UserIds, contacts_path};
use super::process::{Data, Server, free_port};
use super::programs::Programs;
use super::renewals::{ROUNDS, Renewals};

/// Connections that ask at the same time.
pub(crate) const CONNECTIONS: usize = 64;

pub(crate) fn measure(programs: &Programs, seconds: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let data = Data::new(&programs.authme)?;
    let clients = Clients::register(&data)?;
    population::import(&data, UserIds::default(), 0..CONNECTIONS)?;
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
    let renewals = Renewals::measure(programs, &server, &mut sessions, length)?;
    tell_renewals(&renewals, figures);
    figures.tell(
        "S8 after load",
        "resident memory after those renewals",
        server.resident()?,
        "MB",
    );
    contacts(programs, &server, &sessions, length, figures)
}

fn tell_renewals(renewals: &Renewals, figures: &mut Figures) {
    let signature = renewals.signature();
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
    figures.tell("V", "CPU of one bare verification", renewals.verification(), "us");
    let cpu = renewals.cpu();
    figures.tell("renewal CPU", "server CPU of one renewal by refresh token", cpu, "us");
    figures.tell(
        "renewals",
        "renewals per second, 64 connections, load on the same cores",
        renewals.per_second(),
        "1/s",
    );
    figures.tell(
        "renewal p50",
        "median time of a renewal under that load",
        renewals.latency(50),
        "ms",
    );
    figures.tell("renewal p99", "99th percentile of the same", renewals.latency(99), "ms");
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
