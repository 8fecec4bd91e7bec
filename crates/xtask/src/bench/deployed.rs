//! S2, S4, S6 and S8: the services over real servers.
//!
//! The servers run on the same cores and may be stand-ins (07-operating 3): what is promised is the cost of our
//! processes, the times and rates are lower bounds.

mod deployment;
mod follower;
mod locks;
mod outage;
mod schedule;
mod tokens;

use std::thread;
use std::time::Duration;

use super::BenchArguments;
use super::figures::{Figures, Promise};
use super::programs::{Programs, ServicePrograms};
use crate::servers::Addresses;
use deployment::Deployment;

pub(crate) fn measure(
    programs: &Programs,
    (services, addresses): (&ServicePrograms, &Addresses),
    arguments: &BenchArguments,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut deployment = Deployment::start(services, addresses)?;
    let length = Duration::from_secs(arguments.seconds);
    if arguments.want(&["s8"]) {
        idle(&deployment, figures)?;
    }
    if arguments.want(&["s2", "s8"]) {
        tokens::measure(programs, &mut deployment, length, figures)?;
    }
    if arguments.want(&["s4"]) {
        locks::measure(&mut deployment, length, figures)?;
    }
    if arguments.want(&["s6"]) {
        outage::measure(&mut deployment, figures)?;
    }
    Ok(())
}

fn idle(deployment: &Deployment, figures: &mut Figures) -> anyhow::Result<()> {
    thread::sleep(Duration::from_secs(2));
    for (name, service, server) in [
        ("S8 tokens", "service-tokens", &deployment.tokens),
        ("S8 factors", "service-factors", &deployment.factors),
        ("S8 lock", "service-credential-lock", &deployment.credential_lock),
    ] {
        let what = format!("resident memory of {service}, idle");
        figures.promise(name, what, server.resident()?, (Promise::AtMost(25.0), "MB"));
    }
    Ok(())
}
