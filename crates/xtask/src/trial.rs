//! `cargo xtask trial`: tests the promises of docs/promises.md repeatedly under races and faults, to find rare
//! failures.

mod connection;
mod crash;
mod event_log;
mod installation;
mod load;
mod races;
mod result;
mod rng;
mod services;
mod single_process;
mod torn_log;
mod workload;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};

use result::TrialResult;

/// The trial to run, and the number of its rounds.
#[derive(Args)]
pub(crate) struct TrialArguments {
    /// The trial to run
    #[arg(value_enum)]
    name: Name,
    /// The stores on which c1, c2, c3, c4, c10, c12, c13 and v run
    #[arg(long, value_enum, default_value_t = Stores::Sqlite)]
    store: Stores,
    /// The number of rounds, instead of the default of the trial
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// The seed that another run printed, to repeat its random choices
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Many clients renew one refresh token at the same time
    C1,
    /// A used refresh token is replayed
    C2,
    /// The response of a renewal is lost
    C3,
    /// A lock races with every operation that mints tokens
    C4,
    /// Many clients use one validation token, or send the first SAML login of a user, at the same time
    V,
    /// A service is killed between the commit of a command and the publication of its event
    C5,
    /// The broker is stopped for as many seconds as there are rounds
    C6,
    /// A relay is paused until its lease has expired
    C7,
    /// The store is unreachable, is slow, hangs or cuts its replies short
    C8,
    /// The server is killed under load, and its write-ahead log is torn
    C9,
    /// Processes get SIGTERM under load: `authme serve`, or the services
    C10,
    /// Signing keys rotate while tokens are renewed and verified
    C11,
    /// Many clients try wrong codes for one challenge at the same time
    C12,
    /// Many clients validate the right code at the same time
    C13,
    /// Users are locked on a new primary while a partitioned old primary still serves reads and writes
    C15,
    /// A batch of rotations fails in part: rejected statements, unacknowledged writes, closed connections
    C16,
    /// Every operation is called with tokens that are no longer active, such as after a lock or a logout
    C22,
    /// Peers without a token try to exhaust memory: connections that never read, methods of any name
    Strangers,
    /// An abandoned command reaches the store after a later command was acknowledged
    Late,
    /// All trials; `--store sqlite` leaves out the trials of the services (c5 to c8, c11, c15, c16 and late)
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stores {
    /// One local file
    Sqlite,
    /// The server that `AUTHME_TEST_MONGODB_URI` names, or the one that `servers up` starts
    Mongodb,
    /// Both stores, one after the other
    Both,
}

impl Stores {
    const fn each(self) -> &'static [Store] {
        match self {
            Self::Sqlite => &[Store::Sqlite],
            Self::Mongodb => &[Store::Mongodb],
            Self::Both => &[Store::Sqlite, Store::Mongodb],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Sqlite,
    Mongodb,
}

impl Store {
    const fn text(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Mongodb => "mongodb",
        }
    }
}

const TRIALS_WITHOUT_SERVERS: [Name; 11] = [
    Name::C1,
    Name::C2,
    Name::C3,
    Name::C4,
    Name::V,
    Name::C9,
    Name::C10,
    Name::C12,
    Name::C13,
    Name::C22,
    Name::Strangers,
];

const TRIALS_OF_SERVICES: [Name; 8] = [
    Name::C5,
    Name::C6,
    Name::C7,
    Name::C8,
    Name::C11,
    Name::C15,
    Name::C16,
    Name::Late,
];

impl Name {
    const fn text(self) -> &'static str {
        match self {
            Self::C1 => "c1",
            Self::C2 => "c2",
            Self::C3 => "c3",
            Self::C4 => "c4",
            Self::V => "v",
            Self::C5 => "c5",
            Self::C6 => "c6",
            Self::C7 => "c7",
            Self::C8 => "c8",
            Self::C9 => "c9",
            Self::C10 => "c10",
            Self::C11 => "c11",
            Self::C12 => "c12",
            Self::C13 => "c13",
            Self::C15 => "c15",
            Self::C16 => "c16",
            Self::Late => "late",
            Self::C22 => "c22",
            Self::Strangers => "strangers",
            Self::All => "all",
        }
    }

    /// Returns the default number of rounds.
    const fn rounds(self) -> usize {
        match self {
            Self::C7 | Self::C8 | Self::C22 => 10,
            Self::C11 | Self::C16 | Self::Late => 20,
            Self::C10 | Self::C15 => 50,
            Self::Strangers => 3_000,
            Self::C6 => 60,
            Self::C1 | Self::C2 | Self::C5 | Self::C9 => 100,
            Self::V => 200,
            Self::C12 => 500,
            Self::C3 | Self::C4 | Self::C13 | Self::All => 1000,
        }
    }

    /// Returns the stores on which the trial runs if `requested` was requested.
    fn stores(self, requested: Stores) -> &'static [Store] {
        match self {
            Self::C9 | Self::C22 | Self::Strangers => &[Store::Sqlite],
            name if TRIALS_OF_SERVICES.contains(&name) => &[Store::Mongodb],
            _ => requested.each(),
        }
    }
}

/// Runs every requested trial, even after a failed one. Fails if one of them failed.
pub(crate) fn run(arguments: &TrialArguments) -> ExitCode {
    let names = match arguments.name {
        Name::All if arguments.store == Stores::Sqlite => TRIALS_WITHOUT_SERVERS.to_vec(),
        Name::All => [&TRIALS_WITHOUT_SERVERS[..], &TRIALS_OF_SERVICES].concat(),
        one => vec![one],
    };
    let mut has_passed = true;
    for name in names {
        for &store in name.stores(arguments.store) {
            has_passed &= run_and_report(name, store, arguments);
        }
    }
    if has_passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs a trial and prints its results; returns whether it passed.
fn run_and_report(name: Name, store: Store, arguments: &TrialArguments) -> bool {
    let rounds = arguments.rounds.unwrap_or(name.rounds());
    let started = Instant::now();
    let passed = match run_trial(name, store, rounds, arguments.seed) {
        Ok(results) => {
            for result in &results {
                println!("{result}");
            }
            results.iter().all(|result| result.failures == 0)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            false
        }
    };
    let (name, store) = (name.text(), store.text());
    println!("{name} on {store} took {:.1} s", started.elapsed().as_secs_f64());
    passed
}

fn run_trial(name: Name, store: Store, rounds: usize, seed: Option<u64>) -> anyhow::Result<Vec<TrialResult>> {
    match name {
        Name::C9 => crash::run(rounds, seed),
        Name::C22 => single_process::run(name.text(), rounds),
        Name::C10 | Name::Strangers if store == Store::Sqlite => single_process::run(name.text(), rounds),
        Name::C10 => services::run(name.text(), rounds.div_ceil(3)),
        name if TRIALS_OF_SERVICES.contains(&name) => services::run(name.text(), rounds),
        race => races::run(race.text(), store, rounds, seed),
    }
}
