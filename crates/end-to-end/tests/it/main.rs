//! The three services, tested from the outside as processes on real servers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot continue panics"
)]

mod acceptance;
mod active_check;
mod command_line;
mod descriptions;
mod graceful_stop;
mod jwt;
mod kafka_outage;
mod key_rotation;
mod leaks;
mod lost_response;
mod main_scenario;
mod replicas;

use end_to_end::trial_on_servers;
use libtest_mimic::Arguments;

/// Returns a trial for each function, with its name.
macro_rules! trials {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$(trial_on_servers(concat!(stringify!($module), "::", stringify!($name)), $module::$name)),*]
    };
}

fn main() {
    let mut trials = trials![
        active_check::every_service_rejects_an_inactive_token,
        main_scenario::user_logs_in_renews_adds_a_contact_and_is_locked,
        kafka_outage::service_starts_without_kafka_and_publishes_after_the_outage,
        replicas::requests_succeed_while_replicas_start_and_stop,
        graceful_stop::sigterm_finishes_requests_and_publishes_their_events,
        key_rotation::services_accept_the_next_key_without_a_restart,
        key_rotation::every_service_rejects_a_revoked_key,
        lost_response::rotation_with_a_lost_response_returns_its_successor,
        lost_response::redemption_with_a_lost_response_is_repeated,
        leaks::logs_contain_no_secret_and_no_contact,
        descriptions::each_service_describes_only_its_own_operations,
        command_line::check_reports_that_a_start_would_succeed,
        command_line::print_config_shows_origins_and_no_secrets,
        command_line::check_names_all_missing_settings,
        command_line::check_names_all_unknown_settings,
        command_line::unreachable_store_is_reported_without_its_password,
        command_line::empty_key_folder_is_reported_with_the_command_to_run,
        command_line::create_topics_keeps_existing_topics,
        command_line::unencrypted_connections_need_an_explicit_setting,
        command_line::check_rejects_a_secret_file_that_others_can_read,
    ];
    let shared_app = acceptance::SharedApp::default();
    trials.extend(acceptance::cases(&shared_app));
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // The services must be killed before the process exits.
    drop(shared_app);
    conclusion.exit();
}
