//! S2: what a renewal costs the service over MongoDB, and what memory it takes (S8).

use std::time::Duration;

use super::deployment::Deployment;
use crate::bench::figures::{Figures, Promise};
use crate::bench::population::{Clients, Session, email};
use crate::bench::programs::Programs;
use crate::bench::renewals::{self, Renewals};
use crate::bench::steady::CONNECTIONS;

pub(super) fn measure(
    programs: &Programs,
    deployment: &mut Deployment,
    length: Duration,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let clients = Clients::register(&deployment.data)?;
    let users = deployment.fresh_users(CONNECTIONS)?;
    let server = &deployment.tokens;
    let mut sessions = users
        .map(|n| clients.session(server, &email(n)))
        .collect::<anyhow::Result<Vec<Session>>>()?;
    // Connections to the store are opened as they are wanted, and the stand-in plans its statements.
    renewals::round(server, &mut sessions, length / 2)?;
    let renewals = Renewals::measure(programs, server, &mut sessions, length)?;
    tell(&renewals, figures);
    figures.tell(
        "S8 tokens load",
        "resident memory of service-tokens after those renewals; at most 64 promised",
        server.resident()?,
        "MB",
    );
    Ok(())
}

fn tell(renewals: &Renewals, figures: &mut Figures) {
    let signature = renewals.signature();
    figures.tell(
        "S2 R",
        "CPU of one bare RS512-2048 signature, every core signing",
        signature,
        "us",
    );
    let cpu = renewals.cpu();
    figures.tell(
        "S2 renewal CPU",
        "CPU of service-tokens of one renewal by refresh token",
        cpu,
        "us",
    );
    figures.tell(
        "S2 renewals",
        "renewals per second, 64 connections; the store on the same cores limits them",
        renewals.per_second(),
        "1/s",
    );
    figures.tell(
        "S2 renewal p99",
        "99th percentile of a renewal under that load",
        renewals.latency(99),
        "ms",
    );
    let what = "CPU of service-tokens of a renewal over CPU of one bare signature, MongoDB";
    figures.promise("S2", what, cpu / signature, (Promise::AtMost(1.8), "ratio"));
}
