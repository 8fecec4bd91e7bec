//! `cargo xtask bench`: the speed and cost promises, measured on this machine against reference lines of the same run.

mod connection;
mod figures;
mod load;
mod population;
mod process;
mod scale;
mod start;
mod steady;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::checkout;
use figures::Figures;

/// What to measure, and how long.
#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Only these: s1, s3, s7, s8, s9
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

/// The programs that are measured, all built for release.
pub(crate) struct Programs {
    pub(crate) authme: PathBuf,
    pub(crate) constant_handler: PathBuf,
    pub(crate) bare_operations: PathBuf,
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
    let programs = build()?;
    let wanted = |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|wanted| wanted == name);
    let mut figures = Figures::new();
    if wanted("s9") {
        start::measure(&programs, &mut figures)?;
    }
    if wanted("s1") || wanted("s3") || wanted("s8") {
        steady::measure(&programs, arguments.seconds, &mut figures)?;
    }
    if wanted("s7") {
        scale::measure(&programs, arguments, &mut figures)?;
    }
    Ok(figures)
}

fn build() -> anyhow::Result<Programs> {
    for target in [
        ["-p", "authme", "--bin", "authme"],
        ["-p", "adapter-http", "--example", "constant_handler"],
        ["-p", "adapter-crypto", "--example", "bare_operations"],
    ] {
        let mut cargo = checkout::command("cargo");
        cargo.args(["build", "--release", "--locked", "--quiet"]).args(target);
        checkout::must_succeed(cargo, "the measured programs do not build")?;
    }
    let release = checkout::target()?.join("release");
    let programs = Programs {
        authme: release.join("authme"),
        constant_handler: release.join("examples/constant_handler"),
        bare_operations: release.join("examples/bare_operations"),
    };
    ensure!(programs.authme.is_file(), "cargo built no authme");
    Ok(programs)
}

/// A number out of a JSON object.
pub(crate) fn number(object: &serde_json::Value, name: &str) -> anyhow::Result<f64> {
    object
        .get(name)
        .and_then(serde_json::Value::as_f64)
        .with_context(|| format!("no `{name}` was answered"))
}
