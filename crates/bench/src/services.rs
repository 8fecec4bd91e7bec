//! S2, S4, S6 and S8: the services over real servers.
//!
//! The servers run on the same cores as the services and the load, and FerretDB may take the place of MongoDB. So only
//! the cost of the services' own processes is promised exactly; times are upper bounds and rates are lower bounds.

mod consumer;
mod deployment;
mod locks;
mod outage;
mod schedule;
mod tokens;

use std::thread;
use std::time::Duration;

use test_servers::Addresses;

use crate::arguments::Arguments;
use crate::programs::{Programs, ServicePrograms};
use crate::results::{Promise, Results};
use deployment::Deployment;

pub(crate) fn measure(
    programs: &Programs,
    (services, addresses): (&ServicePrograms, &Addresses),
    arguments: &Arguments,
    results: &mut Results,
) -> anyhow::Result<()> {
    let mut deployment = Deployment::start(services, addresses)?;
    let length = Duration::from_secs(arguments.seconds);
    if arguments.includes(&["s8"]) {
        measure_idle_memory(&deployment, results)?;
    }
    if arguments.includes(&["s2", "s8"]) {
        tokens::measure(programs, &mut deployment, length, results)?;
    }
    if arguments.includes(&["s4"]) {
        locks::measure(&mut deployment, length, results)?;
    }
    if arguments.includes(&["s6"]) {
        outage::measure(&mut deployment, results)?;
    }
    Ok(())
}

fn measure_idle_memory(deployment: &Deployment, results: &mut Results) -> anyhow::Result<()> {
    thread::sleep(Duration::from_secs(2));
    for (name, service, server) in [
        ("S8 tokens", "service-tokens", &deployment.tokens),
        ("S8 factors", "service-factors", &deployment.factors),
        ("S8 lock", "service-credential-lock", &deployment.credential_lock),
    ] {
        let what = format!("resident memory of {service}, idle");
        results.add_promised(name, what, server.resident_memory()?, (Promise::AtMost(25.0), "MB"));
    }
    Ok(())
}
