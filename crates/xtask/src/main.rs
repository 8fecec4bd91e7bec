//! The project's own tasks: `cargo xtask <task>`.
//!
//! Dependencies stay few, because cargo compiles them before a task starts. A task that needs more is a program of a crate
//! of its own, which cargo builds when the task starts.
#![expect(clippy::print_stdout, reason = "a task prints its results")]

mod checkout;
mod program;
mod shell;
mod summary;
mod test;
mod tools;

use std::process::ExitCode;

use clap::Parser;
use program::Arguments;

/// The tasks of this checkout.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run every check that a change has to pass: format, architecture rules, lints, documentation, dependencies, tests
    Test(test::TestArguments),
    /// Measure speed and cost against their promises, relative to reference measurements of the same run
    #[command(disable_help_flag = true)]
    Bench(Arguments),
    /// Test the promises of correctness repeatedly under races and faults
    #[command(disable_help_flag = true)]
    Trial(Arguments),
    /// Start and stop real servers for tests: a document store, a broker and a mail server
    #[command(disable_help_flag = true)]
    Servers(Arguments),
}

fn main() -> ExitCode {
    match Task::parse() {
        Task::Test(arguments) => test::run(&arguments),
        // The load is a debug build, as in all results of docs/benchmarks.md; the programs that it measures are not.
        Task::Bench(arguments) => program::run("bench", &arguments),
        Task::Trial(arguments) => program::run("trials", &arguments),
        Task::Servers(arguments) => program::run("test-servers", &arguments),
    }
}
