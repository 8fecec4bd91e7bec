use std::time::Instant;

use crate::arguments::{Arguments, Name, Store, TRIALS_OF_SERVICES};
use crate::result::TrialResult;
use crate::{crash, races, services, single_process};

/// Runs a trial and prints its results; returns whether it passed.
pub(crate) fn run_and_report(name: Name, store: Store, arguments: &Arguments) -> bool {
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
        Name::C21 | Name::C22 => single_process::run(name.text(), rounds),
        Name::C10 | Name::Strangers if store == Store::Sqlite => single_process::run(name.text(), rounds),
        Name::C10 => services::run(name.text(), rounds.div_ceil(3)),
        name if TRIALS_OF_SERVICES.contains(&name) => services::run(name.text(), rounds),
        race => races::run(race.text(), store, rounds, seed),
    }
}
