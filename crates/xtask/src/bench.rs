//! `cargo xtask bench`: measures speed and cost on this machine, and compares them with their promises and with
//! reference measurements of the same run.

mod async_connection;
mod codes;
mod connection;
mod load;
mod population;
mod process;
mod programs;
mod reference;
mod renewals;
mod results;
mod scale;
mod services;
mod start;
mod steady;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::servers::{self, Addresses};
use programs::{Programs, ServicePrograms};
use results::Results;

/// The promises to measure, and the length of a measurement.
#[derive(Args)]
pub(crate) struct BenchArguments {
    /// The promises to measure: s1, s2, s3, s4, s5, s6, s7, s8, s9; all if none is named
    names: Vec<String>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// The length of a load, in seconds; some loads last half as long
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// The number of users in the large store of s7
    #[arg(long, default_value_t = 100_000)]
    users: usize,
}

impl BenchArguments {
    fn names_one_of(&self, names: &[&str]) -> bool {
        self.names.iter().any(|name| names.contains(&name.as_str()))
    }

    /// Returns whether one of these promises is to be measured.
    fn includes(&self, names: &[&str]) -> bool {
        self.names.is_empty() || self.names_one_of(names)
    }
}

pub(crate) fn run(arguments: &BenchArguments) -> ExitCode {
    match measure(arguments) {
        Ok(results) => {
            results.print(arguments.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &BenchArguments) -> anyhow::Result<Results> {
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
fn start_servers(arguments: &BenchArguments) -> anyhow::Result<Option<Addresses>> {
    if !arguments.includes(&["s2", "s4", "s6", "s8"]) {
        return Ok(None);
    }
    match servers::ensure_up() {
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

/// Returns a number from a JSON object.
pub(crate) fn number(object: &serde_json::Value, name: &str) -> anyhow::Result<f64> {
    object
        .get(name)
        .and_then(serde_json::Value::as_f64)
        .with_context(|| format!("the object has no number `{name}`"))
}
