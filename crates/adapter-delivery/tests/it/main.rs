//! Sends codes through a real mail server, to a gateway, and into a file.
//!
//! `AUTHME_TEST_SMTP` names a JSON file that describes the mail server; `cargo xtask servers up` writes one. Without
//! it, the trials that need a mail server are listed as ignored.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic fails the trial")]

mod files;
mod journal;
mod mail_server;
mod mails;
mod messages;
mod receiver;
mod relay;
mod text_messages;

use std::pin::Pin;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use mail_server::MailServer;

const SMTP: &str = "AUTHME_TEST_SMTP";
const SERVERS: &str = "AUTHME_TEST_SERVERS";

/// The time limit of a trial. The slowest takes a few seconds.
const TRIAL_TIMEOUT: Duration = Duration::from_mins(1);

type TrialFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Runs a trial, and checks afterwards that the log contains no code and no contact.
fn run(trial: impl Future<Output = ()>) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let result = runtime.block_on(async { timeout(TRIAL_TIMEOUT, trial).await });
    result.map_err(|_| Failed::from("the trial does not end"))?;
    journal::assert_no_secret().map_err(Failed::from)
}

fn without_server(name: &str, trial: fn() -> TrialFuture) -> Trial {
    Trial::test(name, move || run(async { trial().await }))
}

/// Creates a trial that needs the mail server. Without one it is ignored, or fails if `AUTHME_TEST_SERVERS` is
/// `required`.
fn with_server(name: &str, trial: fn(MailServer) -> TrialFuture) -> Trial {
    let description = setting(SMTP);
    let is_required = setting(SERVERS).is_some_and(|servers| servers == "required");
    let is_ignored = description.is_none() && !is_required;
    let test = move || {
        let description = description.ok_or_else(|| format!("{SMTP} names no mail server"))?;
        run(async { trial(MailServer::read(&description)).await })
    };
    Trial::test(name, test).with_ignored_flag(is_ignored)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the servers of a test are not a setting of AuthMe"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

macro_rules! named {
    ($module:ident::$name:ident) => {
        concat!(stringify!($module), "::", stringify!($name))
    };
}

/// Lists trials, named after their functions. A `with_server` trial gets the mail server as its argument.
macro_rules! trials {
    (with_server: $($module:ident::$name:ident),* $(,)?) => {
        vec![$(with_server(named!($module::$name), |server| Box::pin($module::$name(server)))),*]
    };
    (without_server: $($module:ident::$name:ident),* $(,)?) => {
        vec![$(without_server(named!($module::$name), || Box::pin($module::$name()))),*]
    };
}

fn main() {
    journal::start();
    let mut all = trials![with_server:
        mails::a_code_arrives_by_starttls,
        mails::a_code_arrives_by_tls,
        mails::a_code_arrives_in_the_clear_on_this_machine,
        mails::a_configured_login_is_used,
        mails::a_wrong_password_is_an_error,
        mails::without_starttls_nothing_is_sent,
        mails::an_untrusted_certificate_is_rejected,
        mails::answers_injected_after_starttls_are_ignored,
        mails::connections_are_reused,
        mails::a_broken_connection_is_replaced,
        mails::the_retry_after_an_outage_has_the_same_code,
        mails::a_lost_answer_repeats_the_same_mail,
        mails::a_mail_without_an_answer_is_sent_once,
        mails::a_busy_recipient_is_retried,
        mails::a_rejected_recipient_is_not_retried,
        mails::a_refusal_by_policy_is_not_about_the_recipient,
        mails::a_recipient_refused_in_any_way_is_told_apart,
        mails::a_recipient_refused_after_the_content_is_told_apart,
        mails::an_address_beyond_ascii_is_sent_by_smtputf8,
        mails::without_smtputf8_an_address_beyond_ascii_is_refused,
        mails::the_client_chooses_the_texts,
    ];
    all.extend(trials![without_server:
        mails::an_unreachable_server_fails_in_time,
        mails::a_silent_server_fails_in_time,
        text_messages::a_request_is_signed_and_has_its_challenge,
        text_messages::an_overloaded_gateway_gets_the_request_again,
        text_messages::a_rejected_request_is_not_retried,
        text_messages::a_redirect_is_not_followed,
        text_messages::a_silent_gateway_gets_one_request,
        text_messages::an_unreachable_gateway_is_reported_without_its_url,
        text_messages::a_form_has_the_header_of_the_gateway,
        files::every_code_is_written_as_a_line,
        files::errors_and_logs_contain_no_secret,
    ]);
    libtest_mimic::run(&Arguments::from_args(), all).exit();
}
