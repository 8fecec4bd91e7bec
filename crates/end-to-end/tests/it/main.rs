//! The three services as they are deployed, from the outside.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a trial that cannot go on ends"
)]

mod acceptance;
mod active_check;
mod command_line;
mod descriptions;
mod graceful_stop;
mod jwt;
mod kafka_away;
mod key_rotation;
mod leaks;
mod lost_answer;
mod replicas;
mod story;

use end_to_end::on_servers;
use libtest_mimic::Arguments;

/// Trials named after their functions.
macro_rules! trials {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$(on_servers(concat!(stringify!($module), "::", stringify!($name)), $module::$name)),*]
    };
}

fn main() {
    let mut trials = trials![
        active_check::a_token_that_has_ended_is_refused_by_every_service,
        story::a_user_is_handed_over_renews_adds_a_contact_and_is_locked,
        kafka_away::a_service_starts_and_its_events_go_out_when_it_is_back,
        replicas::come_and_go_and_no_request_fails,
        graceful_stop::finishes_what_is_in_flight_and_publishes_its_event,
        key_rotation::a_token_of_the_next_key_is_accepted_without_a_restart,
        key_rotation::a_revoked_key_is_refused_by_every_service,
        lost_answer::a_rotation_is_recognised_even_without_grace,
        leaks::no_log_holds_a_secret_or_a_contact,
        descriptions::each_service_describes_its_own_operations_and_no_other,
        command_line::check_says_that_a_start_would_succeed,
        command_line::every_setting_is_printed_with_its_origin_and_no_secret,
        command_line::everything_that_is_missing_is_named_at_once,
        command_line::what_is_not_known_is_named_at_once,
        command_line::a_store_that_is_away_is_told_without_its_password,
        command_line::a_folder_without_a_key_is_told_with_the_way_out,
        command_line::topics_that_are_there_stay,
        command_line::what_would_cross_a_network_unprotected_needs_a_word,
        command_line::a_secret_that_others_may_read_is_refused,
    ];
    let stage = acceptance::Stage::default();
    trials.extend(acceptance::cases(&stage));
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // The services end before the process does.
    drop(stage);
    conclusion.exit();
}
