//! S2: the cost of a renewal for the service over MongoDB. S8: its memory.

use std::time::Duration;

use super::deployment::Deployment;
use crate::population::{Clients, Session, email};
use crate::programs::Programs;
use crate::renewals::{self, Renewals};
use crate::results::{Promise, Results};
use crate::steady::CONNECTIONS;

pub(super) fn measure(
    programs: &Programs,
    deployment: &mut Deployment,
    length: Duration,
    results: &mut Results,
) -> anyhow::Result<()> {
    let clients = Clients::register(&deployment.data)?;
    let users = deployment.import_users(CONNECTIONS)?;
    let server = &deployment.tokens;
    let mut sessions = users
        .map(|n| clients.start_session(server, &email(n)))
        .collect::<anyhow::Result<Vec<Session>>>()?;
    // The first round opens connections to the store, and FerretDB plans its statements.
    renewals::run_round(server, &mut sessions, length / 2)?;
    let renewals = Renewals::measure(programs, server, &mut sessions, length)?;
    add_results(&renewals, results);
    results.add(
        "S8 tokens load",
        "resident memory of service-tokens after those renewals; at most 64 promised",
        server.resident_memory()?,
        "MB",
    );
    Ok(())
}

fn add_results(renewals: &Renewals, results: &mut Results) {
    let signature = renewals.signature();
    results.add(
        "S2 R",
        "CPU of one bare RS512-2048 signature, every core signing",
        signature,
        "us",
    );
    let cpu = renewals.cpu();
    results.add(
        "S2 renewal CPU",
        "CPU of service-tokens of one renewal by refresh token",
        cpu,
        "us",
    );
    results.add(
        "S2 renewals",
        "renewals per second, 64 connections; the store on the same cores limits them",
        renewals.per_second(),
        "1/s",
    );
    results.add(
        "S2 renewal p99",
        "99th percentile of a renewal under that load",
        renewals.latency(99),
        "ms",
    );
    let what = "CPU of service-tokens of a renewal over CPU of one bare signature, MongoDB";
    results.add_promised("S2", what, cpu / signature, (Promise::AtMost(1.8), "ratio"));
}
