//! `cargo xtask trial`: tests the promises of docs/promises.md repeatedly under races and faults, to find rare
//! failures.
#![expect(clippy::print_stdout, reason = "a trial prints its results")]

mod arguments;
mod connection;
mod crash;
mod event_log;
mod installation;
mod load;
mod races;
mod result;
mod services;
mod single_process;
mod torn_log;
mod trial;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Name, Stores, TRIALS_OF_SERVICES, TRIALS_WITHOUT_SERVERS};

/// Runs every requested trial, even after a failed one. Fails if one of them failed.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let names = match arguments.name {
        Name::All if arguments.store == Stores::Sqlite => TRIALS_WITHOUT_SERVERS.to_vec(),
        Name::All => [&TRIALS_WITHOUT_SERVERS[..], &TRIALS_OF_SERVICES].concat(),
        one => vec![one],
    };
    let mut has_passed = true;
    for name in names {
        for &store in name.stores(arguments.store) {
            has_passed &= trial::run_and_report(name, store, &arguments);
        }
    }
    if has_passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
