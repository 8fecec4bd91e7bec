//! `cargo xtask servers`.

use std::process::ExitCode;

use clap::Parser;
use test_servers::Task;

/// Start and stop real servers for tests: a document store, a broker and a mail server
#[derive(Parser)]
#[command(bin_name = "cargo xtask servers")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

fn main() -> ExitCode {
    Arguments::parse().task.run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
