//! S1 and S3: the cost of a renewal and of a list of own contacts in a steady state. S8: the memory.

use std::process::{Command, Stdio};
use std::time::Duration;

use test_servers::authme::{DataFolder, Server};
use test_servers::free_port;

use crate::load::{self, LoadResult};
use crate::population::{self, Clients, GetClient, Session, UserIds, contacts_path};
use crate::programs::Programs;
use crate::renewals::{ROUNDS, Renewals};
use crate::results::{Promise, Results, median};
use crate::serve::serve;

/// The number of concurrent connections.
pub(crate) const CONNECTIONS: usize = 64;

pub(crate) fn measure(programs: &Programs, seconds: u64, results: &mut Results) -> anyhow::Result<()> {
    let data = DataFolder::new(&programs.authme)?;
    let clients = Clients::register(&data)?;
    population::import(&data, UserIds::default(), 0..CONNECTIONS)?;
    let server = serve(&data, &[])?;
    std::thread::sleep(Duration::from_secs(2));
    results.add_promised(
        "S8 idle",
        "resident memory of authme serve, idle",
        server.resident_memory()?,
        (Promise::AtMost(25.0), "MB"),
    );
    let mut sessions = (0..CONNECTIONS)
        .map(|n| clients.start_session(&server, &population::email(n)))
        .collect::<anyhow::Result<Vec<Session>>>()?;
    let length = Duration::from_secs(seconds);
    let renewals = Renewals::measure(programs, &server, &mut sessions, length)?;
    add_renewals(&renewals, results);
    results.add(
        "S8 after load",
        "resident memory after those renewals",
        server.resident_memory()?,
        "MB",
    );
    measure_contacts(programs, &server, &sessions, length, results)
}

fn add_renewals(renewals: &Renewals, results: &mut Results) {
    let signature = renewals.signature();
    results.add(
        "R",
        "CPU of one bare RS512-2048 signature, every core signing",
        signature,
        "us",
    );
    results.add(
        "R per second",
        "bare signatures per second of one core",
        1e6 / signature,
        "1/s",
    );
    results.add("V", "CPU of one bare verification", renewals.verification(), "us");
    let cpu = renewals.cpu();
    results.add("renewal CPU", "server CPU of one renewal by refresh token", cpu, "us");
    results.add(
        "renewals",
        "renewals per second, 64 connections, load on the same cores",
        renewals.per_second(),
        "1/s",
    );
    results.add(
        "renewal p50",
        "median time of a renewal under that load",
        renewals.latency(50),
        "ms",
    );
    results.add("renewal p99", "99th percentile of the same", renewals.latency(99), "ms");
    let what = "server CPU of a renewal over CPU of one bare signature";
    results.add_promised("S1", what, cpu / signature, (Promise::AtMost(1.5), "ratio"));
}

fn measure_contacts(
    programs: &Programs,
    server: &Server,
    sessions: &[Session],
    length: Duration,
    results: &mut Results,
) -> anyhow::Result<()> {
    let port = free_port();
    let mut command = Command::new(&programs.constant_handler);
    command.arg(format!("127.0.0.1:{port}")).stderr(Stdio::null());
    let constant = Server::start(command, port, (port, "/constant"))?;
    let (mut contacts, mut constants) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        constants.push(run_get_load(&constant, "/constant", sessions, length / 2)?);
        contacts.push(run_get_load(server, &contacts_path(), sessions, length / 2)?);
    }
    let of_constant = median(constants.iter().map(LoadResult::per_second));
    let of_contacts = median(contacts.iter().map(LoadResult::per_second));
    results.add(
        "H",
        "requests per second of a handler that returns a constant",
        of_constant,
        "1/s",
    );
    results.add(
        "H CPU",
        "server CPU of one of those",
        median(constants.iter().map(LoadResult::cpu_microseconds)),
        "us",
    );
    results.add("contacts", "own contacts, requests per second", of_contacts, "1/s");
    results.add(
        "contacts CPU",
        "server CPU of one of those",
        median(contacts.iter().map(LoadResult::cpu_microseconds)),
        "us",
    );
    results.add_promised(
        "S3",
        "own contacts per second over H",
        of_contacts / of_constant,
        (Promise::AtLeast(0.5), "ratio"),
    );
    Ok(())
}

fn run_get_load(server: &Server, path: &str, sessions: &[Session], length: Duration) -> anyhow::Result<LoadResult> {
    let getting = sessions
        .iter()
        .map(|session| GetClient(path, std::slice::from_ref(session), 0));
    load::run(server, getting.collect(), length)
}
