//! Trials of the three services under repeated faults: killed services, a stopped broker, a paused relay, a store that
//! is unreachable or slow, rotating keys, a partitioned old primary, broken batches, late commands.
//!
//! `AUTHME_TRIAL_ROUNDS` sets the number of rounds; `cargo xtask trial c5` (c6, c7, c8, c10, c11, c15, c16, late) sets
//! the variable.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a trial that cannot continue panics"
)]
#![expect(clippy::print_stdout, reason = "a trial prints its results")]

mod broker;
mod c10_rolling_restart;
mod c11_key_rotation;
mod c15_old_primary;
mod c16_broken_batches;
mod c5_kills;
mod c6_broker_outage;
mod c7_paused_relay;
mod c8_store_faults;
mod consumer;
mod lag;
mod late_commands;
mod load_clients;
mod setup;
mod summary;
mod workloads;

use std::sync::LazyLock;

use end_to_end::{Servers, servers, trial_on_servers};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use broker::Broker;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

type Outcome = Result<(), Failed>;

/// Returns a trial on the servers without a time limit.
fn trial<F>(name: &str, run: fn(Servers) -> F) -> Trial
where
    F: Future<Output = Outcome> + 'static,
{
    match servers() {
        Some(servers) => Trial::test(name, move || RUNTIME.block_on(run(servers))),
        None => trial_on_servers(name, async |_| {}),
    }
}

fn main() {
    let mut arguments = Arguments::from_args();
    // The trials share the broker, and some stop it.
    arguments.test_threads = Some(1);
    let can_stop_broker = servers().is_none() || Broker::find().is_some();
    if !can_stop_broker {
        eprintln!("c6 is skipped: only a broker that `cargo xtask servers up` started can be stopped");
    }
    let trials = vec![
        trial("c5_kills::lose_no_event", c5_kills::lose_no_event),
        trial("c6_broker_outage::no_request_fails", c6_broker_outage::no_request_fails)
            .with_ignored_flag(!can_stop_broker),
        trial("c7_paused_relay::keeps_the_order", c7_paused_relay::keeps_the_order),
        trial(
            "c8_store_faults::return_503_in_time",
            c8_store_faults::return_503_in_time,
        ),
        trial(
            "c10_rolling_restart::loses_no_request",
            c10_rolling_restart::loses_no_request,
        ),
        trial("c11_key_rotation::no_request_fails", c11_key_rotation::no_request_fails),
        trial(
            "c15_old_primary::mints_nothing_after_a_lock",
            c15_old_primary::mints_nothing_after_a_lock,
        ),
        trial(
            "c16_broken_batches::fail_only_the_affected_renewals",
            c16_broken_batches::fail_only_the_affected_renewals,
        ),
        trial("late_commands::undo_no_lock", late_commands::undo_no_lock),
        trial("late_commands::lose_no_contact", late_commands::lose_no_contact),
        trial(
            "late_commands::of_disconnected_callers_have_no_effect",
            late_commands::of_disconnected_callers_have_no_effect,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
