//! `cargo xtask bench`: the speed and cost promises, measured on this machine against reference lines of the same run.

mod codes;
mod connection;
mod deployed;
mod figures;
mod line;
mod load;
mod population;
mod process;
mod programs;
mod reference;
mod renewals;
mod scale;
mod start;
mod steady;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::servers::{self, Addresses};
use figures::Figures;
use programs::{Programs, ServicePrograms};

/// What to measure, and how long.
#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Only these: s1, s2, s3, s4, s5, s6, s7, s8, s9
    names: Vec<String>,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
    /// Seconds of each measured stretch
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Users of the large store of s7
    #[arg(long, default_value_t = 100_000)]
    users: usize,
}

impl BenchArguments {
    fn names_one_of(&self, names: &[&str]) -> bool {
        self.names.iter().any(|name| names.contains(&name.as_str()))
    }

    /// Whether one of these is to be measured. All are when none is named.
    fn want(&self, names: &[&str]) -> bool {
        self.names.is_empty() || self.names_one_of(names)
    }
}

pub(crate) fn run(arguments: &BenchArguments) -> ExitCode {
    match measure(arguments) {
        Ok(figures) => {
            figures.print(arguments.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &BenchArguments) -> anyhow::Result<Figures> {
    let addresses = servers(arguments)?;
    // Before the others: see `ServicePrograms::build`.
    let deployed = addresses
        .map(|addresses| anyhow::Ok((ServicePrograms::build()?, addresses)))
        .transpose()?;
    let programs = Programs::build()?;
    let mut figures = Figures::new();
    if arguments.want(&["s9"]) {
        start::measure(&programs, &mut figures)?;
    }
    if arguments.want(&["s1", "s3", "s8"]) {
        steady::measure(&programs, arguments.seconds, &mut figures)?;
    }
    if arguments.want(&["s5"]) {
        codes::measure(&programs, &mut figures)?;
    }
    if arguments.want(&["s7"]) {
        scale::measure(&programs, arguments, &mut figures)?;
    }
    if let Some((services, addresses)) = deployed {
        deployed::measure(&programs, (&services, &addresses), arguments, &mut figures)?;
    }
    Ok(figures)
}

/// The servers of what is measured over them. There may be none, unless that is asked for by name.
fn servers(arguments: &BenchArguments) -> anyhow::Result<Option<Addresses>> {
    if !arguments.want(&["s2", "s4", "s6", "s8"]) {
        return Ok(None);
    }
    match servers::ensure_up() {
        Ok(addresses) => Ok(Some(addresses)),
        Err(failure) if arguments.names_one_of(&["s2", "s4", "s6"]) => {
            Err(failure.context("s2, s4 and s6 are measured over real servers"))
        }
        Err(failure) => {
            eprintln!("skipped, without servers: s2, s4, s6, and s8 of the services: {failure:#}");
            Ok(None)
        }
    }
}

/// A number out of a JSON object.
pub(crate) fn number(object: &serde_json::Value, name: &str) -> anyhow::Result<f64> {
    object
        .get(name)
        .and_then(serde_json::Value::as_f64)
        .with_context(|| format!("no `{name}` was answered"))
}
