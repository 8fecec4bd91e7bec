//! The project's own tasks: `cargo xtask <task>`.
//!
//! Each task is a variant of [`Task`] and a module of its own. Dependencies stay few, because cargo compiles them
//! before a task starts.
#![expect(clippy::print_stdout, reason = "a task prints its results")]

mod bench;
mod checkout;
mod servers;
mod shell;
mod summary;
mod test;
mod tools;
mod trial;

use std::process::ExitCode;

use clap::Parser;

/// The tasks of this checkout.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run every check that a change has to pass: format, architecture rules, lints, documentation, dependencies, tests
    Test(test::TestArguments),
    /// Measure speed and cost against their promises, relative to reference measurements of the same run
    Bench(bench::BenchArguments),
    /// Test the promises of correctness repeatedly under races and faults
    Trial(trial::TrialArguments),
    /// Start and stop real servers for tests: a document store, a broker and a mail server
    #[command(subcommand)]
    Servers(servers::ServersTask),
}

fn main() -> ExitCode {
    match Task::parse() {
        Task::Test(arguments) => test::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Trial(arguments) => trial::run(&arguments),
        Task::Servers(task) => servers::run(task),
    }
}
