//! Races and lost answers, repeated many times on each store: `sqlite::c1_…`, `mongodb::c1_…` (docs/promises.md).
//! `cargo xtask trial` runs them with more rounds.
//!
//! Each prints one line, `trial <name> (<store>): <n> trials, <m> failures`. `AUTHME_TEST_MONGODB_URI` names the
//! MongoDB server. Without it, the trials on MongoDB are listed as ignored.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed set-up fails its trial, and a trial prints its results"
)]

mod c12_wrong_codes;
mod c13_right_codes;
mod c1_parallel_renewals;
mod c2_replays;
mod c3_lost_answers;
mod c4_lock_against_mint;
mod challenges;
mod event_topic;
mod pace;
mod race;
mod store;
mod summary;
mod v_one_winner;

use libtest_mimic::Arguments;
use store::Store;

fn main() {
    let races = [
        c1_parallel_renewals::races(),
        c2_replays::races(),
        c3_lost_answers::races(),
        c4_lock_against_mint::races(),
        c12_wrong_codes::races(),
        c13_right_codes::races(),
        v_one_winner::races(),
    ]
    .concat();
    let on = |store: Store| races.iter().map(move |race| race.trial_on(store));
    let trials = [Store::Sqlite, Store::Mongodb].into_iter().flat_map(on).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
