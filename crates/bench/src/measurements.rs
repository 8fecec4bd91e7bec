//! The measurements of one run, and the programs and servers that they need.

use test_servers::Addresses;

use crate::arguments::Arguments;
use crate::programs::{Programs, ServicePrograms};
use crate::results::Results;
use crate::{codes, scale, services, start, steady};

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Results> {
    let addresses = start_servers(arguments)?;
    // This comes first, because it leaves an `authme` with other features: see `ServicePrograms::build`.
    let services = addresses
        .map(|addresses| anyhow::Ok((ServicePrograms::build()?, addresses)))
        .transpose()?;
    let programs = Programs::build()?;
    let mut results = Results::new();
    if arguments.includes(&["s9"]) {
        start::measure(&programs, &mut results)?;
    }
    if arguments.includes(&["s1", "s3", "s8"]) {
        steady::measure(&programs, arguments.seconds, &mut results)?;
    }
    if arguments.includes(&["s5"]) {
        codes::measure(&programs, &mut results)?;
    }
    if arguments.includes(&["s7"]) {
        scale::measure(&programs, arguments, &mut results)?;
    }
    if let Some((services, addresses)) = services {
        services::measure(&programs, (&services, &addresses), arguments, &mut results)?;
    }
    Ok(results)
}

/// Starts the servers that s2, s4, s6 and s8 need. Without servers these are skipped. If s2, s4 or s6 was named, that
/// is an error.
fn start_servers(arguments: &Arguments) -> anyhow::Result<Option<Addresses>> {
    if !arguments.includes(&["s2", "s4", "s6", "s8"]) {
        return Ok(None);
    }
    match test_servers::ensure_up() {
        Ok(addresses) => Ok(Some(addresses)),
        Err(error) if arguments.names_one_of(&["s2", "s4", "s6"]) => {
            Err(error.context("s2, s4 and s6 need MongoDB and Kafka"))
        }
        Err(error) => {
            eprintln!("skipped, without servers: s2, s4, s6, and s8 of the services: {error:#}");
            Ok(None)
        }
    }
}
