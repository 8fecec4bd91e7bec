//! Tasks that are programs in crates of their own.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use clap::Args;

/// The arguments of a program in a crate of its own, which parses them.
#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds and runs the program of a crate, and returns its exit code.
pub(crate) fn run(package: &str, Arguments { arguments }: &Arguments) -> ExitCode {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut cargo = Command::new("cargo");
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--manifest-path",
        manifest,
        "--package",
        package,
        "--",
    ]);
    match cargo.args(arguments).status() {
        Ok(status) => status.code().map_or(ExitCode::FAILURE, |code| {
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }),
        Err(error) => {
            eprintln!("error: cargo cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
