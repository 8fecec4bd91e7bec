//! Codes through a real mail server, which `AUTHME_TEST_SMTP` names, to a gateway, and into a file.
//!
//! The variable names a file of JSON; `cargo xtask servers up` writes one. Without it, what needs a mail server is shown as
//! ignored, by name.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a trial that cannot go on ends"
)]

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

/// Longer than any trial takes.
const OVERDUE: Duration = Duration::from_mins(1);

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// Whatever a trial is about, the log must not have told its codes and contacts.
fn run(trial: impl Future<Output = ()>) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(async { timeout(OVERDUE, trial).await });
    ended.map_err(|_| Failed::from("the trial does not end"))?;
    journal::tells_no_secret().map_err(Failed::from)
}

fn alone(name: &str, trial: fn() -> Running) -> Trial {
    Trial::test(name, move || run(async { trial().await }))
}

/// A trial with the mail server: shown as ignored when there is none, and failed when there must be one.
fn with_server(name: &str, trial: fn(MailServer) -> Running) -> Trial {
    let description = setting(SMTP);
    let required = setting(SERVERS).is_some_and(|servers| servers == "required");
    let ignored = description.is_none() && !required;
    let test = move || {
        let description = description.ok_or_else(|| format!("{SMTP} names no mail server"))?;
        run(async { trial(MailServer::described_in(&description)).await })
    };
    Trial::test(name, test).with_ignored_flag(ignored)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the servers of a test are no setting of AuthMe"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

macro_rules! named {
    ($module:ident::$name:ident) => {
        concat!(stringify!($module), "::", stringify!($name))
    };
}

/// Trials named after their functions; those `with_server` are given the mail server.
macro_rules! trials {
    (with_server: $($module:ident::$name:ident),* $(,)?) => {
        vec![$(with_server(named!($module::$name), |server| Box::pin($module::$name(server)))),*]
    };
    (alone: $($module:ident::$name:ident),* $(,)?) => {
        vec![$(alone(named!($module::$name), || Box::pin($module::$name()))),*]
    };
}

fn main() {
    journal::keep();
    let mut all = trials![with_server:
        mails::a_code_arrives_by_starttls,
        mails::a_code_arrives_by_tls,
        mails::a_code_arrives_in_the_clear_on_this_machine,
        mails::whoever_must_log_in_does,
        mails::a_wrong_password_is_a_failure,
        mails::without_starttls_nothing_is_sent,
        mails::a_certificate_of_strangers_is_refused,
        mails::answers_put_behind_starttls_are_not_taken,
        mails::a_connection_is_used_again,
        mails::a_connection_that_was_cut_is_replaced,
        mails::a_server_that_comes_back_gets_the_same_code,
        mails::a_lost_answer_repeats_the_same_mail,
        mails::a_mail_whose_answer_does_not_come_is_sent_once,
        mails::a_recipient_that_is_busy_is_tried_again,
        mails::a_recipient_that_is_refused_is_not_tried_again,
        mails::the_client_chooses_the_texts,
    ];
    all.extend(trials![alone:
        mails::a_server_that_is_away_fails_in_time,
        mails::a_server_that_says_nothing_fails_in_time,
        text_messages::a_request_is_signed_and_names_its_challenge,
        text_messages::an_overloaded_gateway_gets_the_same_request_again,
        text_messages::a_refusal_is_final,
        text_messages::a_redirect_is_not_followed,
        text_messages::a_gateway_that_says_nothing_fails_in_time_and_is_asked_once,
        text_messages::a_gateway_that_is_away_is_told_without_its_url,
        text_messages::a_form_has_the_header_of_the_gateway,
        files::every_code_is_a_line,
        files::a_failure_is_told_without_its_secrets,
    ]);
    libtest_mimic::run(&Arguments::from_args(), all).exit();
}
