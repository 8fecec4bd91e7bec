//! The faults of the deployed form, tried many times: killed services, a broker that is away, a relay that stands still,
//! a store that misbehaves, keys that rotate, an old primary that was cut off, batches that
//! break, commands that arrive late.
//!
//! `AUTHME_TRIAL_ROUNDS` says how often; `cargo xtask trial c5` (c6, c7, c8, c10, c11, c15, c16, late) sets it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a trial that cannot go on ends"
)]
#![expect(clippy::print_stdout, reason = "a trial tells its figures")]

mod askers;
mod broker;
mod c10_rolling_restart;
mod c11_key_rotation;
mod c15_old_primary;
mod c16_broken_batches;
mod c5_kills;
mod c6_broker_away;
mod c7_paused_relay;
mod c8_store_faults;
mod consumer;
mod lag;
mod late_commands;
mod stage;
mod tally;
mod works;

use std::sync::LazyLock;

use end_to_end::{Servers, on_servers, servers};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use broker::Broker;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

type Outcome = Result<(), Failed>;

/// A trial on the servers, however long it takes.
fn trial<F>(name: &str, run: fn(Servers) -> F) -> Trial
where
    F: Future<Output = Outcome> + 'static,
{
    match servers() {
        Some(servers) => Trial::test(name, move || RUNTIME.block_on(run(servers))),
        None => on_servers(name, async |_| {}),
    }
}

fn main() {
    let mut arguments = Arguments::from_args();
    // They share the broker, and stop it.
    arguments.test_threads = Some(1);
    let can_stop = servers().is_none() || Broker::ours().is_some();
    if !can_stop {
        eprintln!("c6 is left out: only a broker that `cargo xtask servers up` started can be stopped");
    }
    let trials = vec![
        trial("c5_kills::lose_no_event", c5_kills::lose_no_event),
        trial("c6_broker_away::fails_no_request", c6_broker_away::fails_no_request).with_ignored_flag(!can_stop),
        trial("c7_paused_relay::changes_no_order", c7_paused_relay::changes_no_order),
        trial("c8_store_faults::are_told_in_time", c8_store_faults::are_told_in_time),
        trial(
            "c10_rolling_restart::loses_no_request",
            c10_rolling_restart::loses_no_request,
        ),
        trial("c11_key_rotation::fails_nobody", c11_key_rotation::fails_nobody),
        trial(
            "c15_old_primary::mints_nothing_after_a_lock",
            c15_old_primary::mints_nothing_after_a_lock,
        ),
        trial(
            "c16_broken_batches::fail_for_those_concerned_only",
            c16_broken_batches::fail_for_those_concerned_only,
        ),
        trial("late_commands::undo_no_lock", late_commands::undo_no_lock),
        trial("late_commands::lose_no_contact", late_commands::lose_no_contact),
        trial(
            "late_commands::of_callers_who_hung_up_do_nothing",
            late_commands::of_callers_who_hung_up_do_nothing,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
