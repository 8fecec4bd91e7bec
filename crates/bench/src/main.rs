//! `cargo xtask bench`: measures speed and cost on this machine, and compares them with their promises and with
//! reference measurements of the same run.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

mod arguments;
mod async_connection;
mod codes;
mod load;
mod measurements;
mod population;
mod programs;
mod reference;
mod renewals;
mod results;
mod scale;
mod serve;
mod services;
mod start;
mod steady;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measurements::run(&arguments) {
        Ok(results) => {
            results.print(arguments.prints_json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
