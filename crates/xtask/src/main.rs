//! The project's own tasks: `cargo xtask <task>`.
//!
//! A task is a variant here and a file of its own. Dependencies stay few: each of them is compiled before a task starts.
#![expect(clippy::print_stdout, reason = "a task answers whoever started it")]

mod bench;
mod checkout;
mod servers;
mod tally;
mod test;
mod tools;
mod trial;

use std::process::ExitCode;

use clap::Parser;

/// The tasks of this checkout.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Everything a change has to pass: format, lints, tests, dependencies
    Test,
    /// The speed and cost promises, measured against reference lines of the same run
    Bench(bench::BenchArguments),
    /// The promises of correctness, tried under races and faults
    Trial(trial::TrialArguments),
    /// Real servers for tests: a document store, a broker and a mail server
    #[command(subcommand)]
    Servers(servers::ServersTask),
}

fn main() -> ExitCode {
    match Task::parse() {
        Task::Test => test::run(),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Trial(arguments) => trial::run(&arguments),
        Task::Servers(task) => servers::run(task),
    }
}
