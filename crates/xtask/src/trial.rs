//! The promises of correctness (04-promises 2), tried many times.

mod connection;
mod crash;
mod deployed;
mod dice;
mod events;
mod figures;
mod installation;
mod ledger;
mod load;
mod races;
mod served;
mod torn;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};

use figures::Figures;

/// Which trial, and how much of it.
#[derive(Args)]
pub(crate) struct TrialArguments {
    #[arg(value_enum)]
    name: Name,
    /// What c1, c2, c3, c4, c10, c12, c13 and v run on
    #[arg(long, value_enum, default_value_t = Stores::Sqlite)]
    store: Stores,
    /// So many rounds instead of the trial's own number
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Chance as it was in another run
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// One refresh token, renewed by many at once
    C1,
    /// A spent refresh token comes back
    C2,
    /// The answer of a renewal is lost
    C3,
    /// A lock against every minting path
    C4,
    /// A validation token and a first hand-off, used by many at once
    V,
    /// A service is killed between the commit of a command and the publishing of its event
    C5,
    /// The broker is away, for so many seconds as there are rounds
    C6,
    /// A relay stands still beyond its lease
    C7,
    /// The store is away, slow, half-open, or breaks off its answers
    C8,
    /// The server is killed under load, its files are torn
    C9,
    /// Processes are asked to end under load: `authme serve`, or the services
    C10,
    /// Keys rotate while tokens are renewed and verified
    C11,
    /// A code, tried wrongly by many at once
    C12,
    /// A code, answered rightly by many at once
    C13,
    /// An old primary that was cut off goes on beside a new one, on which users are locked
    C15,
    /// Statements are refused, writes not acknowledged, connections cut in the middle of a batch of rotations
    C16,
    /// A token whose credential, session, user or client has ended is tried on every operation
    C22,
    /// Strangers who want memory: connections that read nothing, methods of any name
    Strangers,
    /// A command that was given up reaches the store after another was answered
    Late,
    /// Each of them; those of the services (c5 to c8, c11, c15, c16 and late) unless `--store` is sqlite
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stores {
    /// One local file
    Sqlite,
    /// The server of `AUTHME_TEST_MONGODB_URI`, else one that `servers up` brings up
    Mongodb,
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

const EACH: [Name; 11] = [
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

/// Those that need the servers.
const DEPLOYED: [Name; 8] = [
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

    /// The stores it runs on when these are asked for.
    fn stores(self, asked_for: Stores) -> &'static [Store] {
        match self {
            Self::C9 | Self::C22 | Self::Strangers => &[Store::Sqlite],
            deployed if DEPLOYED.contains(&deployed) => &[Store::Mongodb],
            _ => asked_for.each(),
        }
    }
}

/// Runs each trial asked for to its end; fails when one of them did.
pub(crate) fn run(arguments: &TrialArguments) -> ExitCode {
    let names = match arguments.name {
        Name::All if arguments.store == Stores::Sqlite => EACH.to_vec(),
        Name::All => [&EACH[..], &DEPLOYED].concat(),
        one => vec![one],
    };
    let mut passed = true;
    for name in names {
        for &store in name.stores(arguments.store) {
            passed &= reported(name, store, arguments);
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a trial and prints what came of it; whether it passed.
fn reported(name: Name, store: Store, arguments: &TrialArguments) -> bool {
    let rounds = arguments.rounds.unwrap_or(name.rounds());
    let begun = Instant::now();
    let passed = match tried(name, store, rounds, arguments.seed) {
        Ok(figures) => {
            for figures in &figures {
                println!("{figures}");
            }
            figures.iter().all(|figures| figures.failures == 0)
        }
        Err(failure) => {
            eprintln!("error: {failure:#}");
            false
        }
    };
    let (name, store) = (name.text(), store.text());
    println!("{name} on {store} took {:.1} s", begun.elapsed().as_secs_f64());
    passed
}

fn tried(name: Name, store: Store, rounds: usize, seed: Option<u64>) -> anyhow::Result<Vec<Figures>> {
    match name {
        Name::C9 => crash::run(rounds, seed),
        Name::C22 => served::run(name.text(), rounds),
        Name::C10 | Name::Strangers if store == Store::Sqlite => served::run(name.text(), rounds),
        Name::C10 => deployed::run(name.text(), rounds.div_ceil(3)),
        deployed if DEPLOYED.contains(&deployed) => deployed::run(deployed.text(), rounds),
        race => races::run(race.text(), store, rounds, seed),
    }
}
